"""Network layers shared by models: attention, pooling, positions, augmentation."""
