"""bench/peers/learn.py: its loss, its minibatches, its area under ROC, and that MeZO's step puts the weights back.

    python3 -m unittest tests/python/test_learn.py             # skipped where there is no PyTorch
"""

import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "peers"))
try:
    import learn
    import published
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
except ImportError:
    torch = None


def tiny_model():
    torch.manual_seed(7)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=40, **shape)).eval()


def examples_of(count, options):
    rng = random.Random(3)
    return [learn.Example([rng.randrange(40) for _ in range(rng.randrange(3, 9))], options, n % 2) for n in range(count)]


def score(model, example, option):
    """One sequence by itself, without padding."""
    logits = model(input_ids=torch.tensor([example.prefix + option])).logits[0].log_softmax(dim=-1)
    return sum(logits[len(example.prefix) - 1 + t, token] for t, token in enumerate(option))


@unittest.skipIf(torch is None, "no PyTorch here")
class Learn(unittest.TestCase):
    def test_the_loss_is_that_of_each_option_by_itself(self):
        model = tiny_model()
        for options, rows in [([[5], [6]], 6), ([[5, 9], [6]], 12), ([[5, 9, 1], [6, 2]], 12)]:
            examples = examples_of(6, options)
            batch = learn.Batch(examples)
            self.assertEqual(len(batch.ids), rows)
            with torch.inference_mode():
                scores = torch.tensor([[score(model, e, o) for o in e.options] for e in examples])
                expected = torch.nn.functional.cross_entropy(scores, torch.tensor([e.label for e in examples])).item()
            self.assertAlmostEqual(learn.published_loss(model, batch), expected, places=5)
            judge = learn.Judge(model, None, examples, torch.float32)
            self.assertAlmostEqual(judge.judge()["loss"], expected, places=5)

    def test_balanced_minibatches_have_equal_labels_and_plain_ones_go_through_all(self):
        examples = examples_of(20, [[5], [6]])
        for batch, _ in zip(learn.balanced_batches(examples, 8, random.Random(1)), range(10)):
            self.assertEqual(sum(example.label for example in batch), 4)
        source = learn.plain_batches(examples, 5, random.Random(1))
        epoch = [tuple(example.prefix) for _ in range(4) for example in next(source)]
        self.assertEqual(sorted(epoch), sorted(tuple(example.prefix) for example in examples))

    def test_the_area_under_roc_counts_pairs_in_order_and_ties_half(self):
        rng = random.Random(5)
        margins = [float(rng.randrange(6)) for _ in range(60)]
        positive = [rng.randrange(2) for _ in range(60)]
        pairs = [(a, b) for a, p in zip(margins, positive) if p for b, q in zip(margins, positive) if not q]
        expected = sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)
        self.assertAlmostEqual(learn.area_under_roc(margins, positive), expected, places=12)

    def test_a_step_moves_the_weights_along_its_direction_by_rate_times_slope(self):
        model = tiny_model()
        before = [p.detach().clone() for p in model.parameters()]
        peer = published.MeZO(model, epsilon=1e-3, rate=0.5)
        losses = iter([1.003, 1.001])  # a slope of 1
        with torch.no_grad():
            peer.step(lambda: next(losses), seed=11)
            for (p, z), old in zip(peer.draw(11), before):
                self.assertLess((p - (old - 0.5 * z)).abs().max().item(), 1e-5)


if __name__ == "__main__":
    unittest.main()
