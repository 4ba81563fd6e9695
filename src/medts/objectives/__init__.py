"""What is optimised, with the parts that are thrown away afterwards."""
