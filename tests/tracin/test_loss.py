"""The closed-form errors against autograd, and what class weights do."""

import pytest
import torch

from tracin.loss import Loss, balanced_class_weights


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (0.2, 1.0, 3.0)])
def test_errors_are_the_gradient_of_the_loss(smoothing: float, weights: tuple[float, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 2])
    loss = Loss(weights, smoothing)
    loss.per_sample(logits, labels).sum().backward()
    torch.testing.assert_close(loss.errors(logits.detach(), labels), logits.grad)


def test_errors_of_an_image_that_the_network_is_sure_of_keep_their_digits() -> None:
    logits, labels = torch.tensor([[30.0, 0.0, 1.0]]), torch.tensor([0])
    loss = Loss((1.0, 1.0, 1.0))
    exact = loss.errors(logits.double(), labels)
    torch.testing.assert_close(loss.errors(logits, labels).double(), exact, rtol=1e-5, atol=0.0)


def test_class_weights_count_at_batch_size_one() -> None:
    logits, label = torch.tensor([[1.0, -1.0]]), torch.tensor([1])
    plain, heavy = Loss((1.0, 1.0)), Loss((1.0, 5.0))
    assert heavy.per_sample(logits, label) == pytest.approx(5 * plain.per_sample(logits, label))


def test_balanced_weights_average_one_and_name_empty_classes() -> None:
    labels = torch.tensor([0, 0, 0, 1])
    weights = torch.tensor(balanced_class_weights(labels, 2))
    assert weights[labels].mean() == pytest.approx(1.0)
    with pytest.raises(ValueError, match=r"\[2\] have no training image"):
        balanced_class_weights(labels, 3)


def test_what_inference_leaves_serves_a_backward_pass() -> None:
    loss, labels = Loss((1.0, 2.0, 3.5)), torch.tensor([0, 2])
    logits = torch.randn(2, 3, requires_grad=True)
    with torch.inference_mode():
        loss.per_sample(logits.detach(), labels)
    loss.per_sample(logits, labels).sum().backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, loss.errors(logits.detach(), labels))
