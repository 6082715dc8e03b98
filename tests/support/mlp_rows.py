"""What an MLP of a model gets and writes, read by a hook of torch's own."""

import torch


def mlp_rows(scope, layer, ids):
    """Return input and output `[position, d]` of the MLP of a block for token ids."""
    found = []
    hook = scope.anatomy.blocks[layer].mlp.register_forward_hook(lambda _, given, out: found.extend((given[0], out)))
    try:
        with torch.no_grad():
            scope.model(input_ids=torch.tensor([ids]))
    finally:
        hook.remove()
    return [one[0].detach() for one in found]
