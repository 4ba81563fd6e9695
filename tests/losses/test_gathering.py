import subprocess
import sys

import torch

from medts.losses.contrastive import info_nce, multilabel_contrastive, nt_xent
from medts.losses.report_alignment import rhythm_loss


def rows(n, dim=5, seed=0):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


WORKER = """
import sys, torch
from medts.losses.contrastive import info_nce, multilabel_contrastive, nt_xent
from medts.losses.gathering import gather_rows
from medts.losses.report_alignment import rhythm_loss
rank, file = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", init_method="file://" + file, rank=rank, world_size=2)
inputs = torch.load(file + ".in", weights_only=True)
part = slice(0, 3) if rank == 0 else slice(3, 7)
out = {}
for name, loss_of in {
    "nt_xent": lambda a, b, t: nt_xent(a, b, gather=True),
    "info_nce": lambda a, b, t: info_nce(a, b, gather=True),
    "grouped": lambda a, b, t: info_nce(a, b, t[:, 0].long(), gather=True),
    "multilabel": lambda a, b, t: multilabel_contrastive(a, t, gather=True),
    "rhythm": lambda a, b, t: rhythm_loss(a, b, t[:, 0].long(), 5.0, gather=True),
}.items():
    weight = inputs["weight"].clone().requires_grad_()
    first, second = inputs["first"][part] @ weight, inputs["second"][part] @ weight
    loss = loss_of(first, second, inputs["target"][part])
    loss.backward()
    grad = weight.grad.clone()
    torch.distributed.all_reduce(grad)
    out[name] = (loss.detach(), grad / 2)
if rank == 1:
    torch.save(out, file + ".out")
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


def test_two_processes_move_the_weights_as_one_with_all_rows_would(tmp_path):
    inputs = {
        "first": rows(7),
        "second": rows(7, seed=1),
        "weight": rows(5, seed=2)[:, :4],
        "target": torch.tensor([[1, 0], [1, 1], [0, 1], [0, 0], [1, 1], [0, 1], [1, 0]]).double(),
    }
    file = tmp_path / "meeting"
    torch.save(inputs, f"{file}.in")
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(rank), str(file)]) for rank in (0, 1)
    ]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    found = torch.load(f"{file}.out", weights_only=True)

    target = inputs["target"]
    for name, loss_of in {
        "nt_xent": nt_xent,
        "info_nce": info_nce,
        "grouped": lambda a, b: info_nce(a, b, target[:, 0].long()),
        "multilabel": lambda a, b: multilabel_contrastive(a, target),
        "rhythm": lambda a, b: rhythm_loss(a, b, target[:, 0].long(), 5.0),
    }.items():
        weight = inputs["weight"].clone().requires_grad_()
        loss = loss_of(inputs["first"] @ weight, inputs["second"] @ weight)
        loss.backward()
        torch.testing.assert_close(found[name], (loss.detach(), weight.grad))
