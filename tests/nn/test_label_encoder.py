import torch

from medts.nn.label_encoder import LabelEncoder


def reference(encoder, vector):
    """``W1 ReLU(W2 LM(T) + b)`` of the paper, after bringing the vector to mean 0, spread 1."""
    scaled = (vector - vector.mean()) / (vector.var(unbiased=False) + 1e-5).sqrt()
    hidden = encoder.widen.weight @ scaled + encoder.widen.bias
    return encoder.narrow.weight @ hidden.clamp(min=0)


def test_it_is_the_formula_of_the_paper():
    torch.manual_seed(0)
    encoder, vectors = LabelEncoder(text_dim=12, hidden=20, dim=6), torch.randn(4, 12)
    expected = torch.stack([reference(encoder, vector) for vector in vectors])
    torch.testing.assert_close(encoder(vectors), expected)


def test_with_the_papers_widths_it_has_the_parameters_of_its_layout():
    encoder = LabelEncoder(text_dim=768, hidden=768, dim=128)
    assert sum(each.numel() for each in encoder.parameters()) == 768 * 768 + 768 + 768 * 128


def test_the_length_of_a_vector_does_not_matter():
    torch.manual_seed(0)
    encoder, vectors = LabelEncoder(text_dim=12, hidden=20, dim=6), 10 * torch.randn(4, 12)
    torch.testing.assert_close(encoder(vectors), encoder(20 * vectors), atol=1e-4, rtol=1e-3)
