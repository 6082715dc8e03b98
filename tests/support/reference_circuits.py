"""Circuits as one would run them with plain hooks on a plain Hugging Face model: one prompt, one head, one sender at a
time. Slow, independent of ours, and with its own knowledge of every family.
"""

from __future__ import annotations

from contextlib import ExitStack

import torch


def member(parent, *names):
    return next(getattr(parent, name) for name in names if hasattr(parent, name))


class Plain:
    """One model."""

    def __init__(self, model):
        config = model.config
        self.model = model
        self.kind = config.model_type.removesuffix("_text")
        self.body = member(model, "transformer", "gpt_neox", "model")
        self.body = getattr(self.body, "decoder", self.body)
        self.blocks = member(self.body, "h", "layers")
        self.n_heads = config.num_attention_heads
        self.n_kv = getattr(config, "num_key_value_heads", None) or self.n_heads
        self.d_head = getattr(config, "head_dim", None) or config.hidden_size // self.n_heads
        self.parallel = self.kind == "phi" or getattr(config, "use_parallel_residual", False)

    # --- the nodes ----------------------------------------------------------------------------------------------------

    @property
    def senders(self):
        return ["input"] + [
            name
            for layer in range(len(self.blocks))
            for name in (*(f"a{layer}.h{head}" for head in range(self.n_heads)), f"m{layer}")
        ]

    @property
    def edges(self):
        """All edges (sender, receiver), written out by who comes before whom."""
        shared, found, before = self.n_kv < self.n_heads, [], ["input"]
        for layer in range(len(self.blocks)):
            heads = [f"a{layer}.h{head}" for head in range(self.n_heads)]
            into = [f"{head}<q>" for head in heads]
            for site in "kv":
                into += [f"a{layer}.{'kv' if shared else 'h'}{head}<{site}>" for head in range(self.n_kv)]
            found += [(sender, receiver) for receiver in into for sender in before]
            found += [(sender, f"m{layer}") for sender in (before if self.parallel else before + heads)]
            before = [*before, *heads, f"m{layer}"]
        return found + [(sender, "logits") for sender in before]

    # --- what a block is made of --------------------------------------------------------------------------------------

    def attention(self, layer):
        module = member(self.blocks[layer], "self_attn", "attn", "attention")
        return getattr(module, "attention", module)

    def before_attention(self, layer, x):
        if self.kind == "olmo2":
            return x
        return member(self.blocks[layer], "ln_1", "input_layernorm", "self_attn_layer_norm")(x)

    def mlp(self, layer, x):
        block = self.blocks[layer]
        if self.kind in ("gpt2", "gpt_neo"):
            return block.mlp(block.ln_2(x))
        if self.kind == "phi":
            return block.mlp(block.input_layernorm(x))
        if self.kind == "opt":
            return block.fc2(block.activation_fn(block.fc1(block.final_layer_norm(x))))
        if self.kind == "olmo2":
            return block.post_feedforward_layernorm(block.mlp(x))
        if self.kind.startswith("gemma"):
            return block.post_feedforward_layernorm(block.mlp(block.pre_feedforward_layernorm(x)))
        return block.mlp(block.post_attention_layernorm(x))

    def logits(self, x):
        """Of the last position."""
        names = ("ln_f", "final_layer_norm", "final_layernorm", "norm")
        logits = member(self.model, "lm_head", "embed_out")(member(self.body, *names)(x[-1]))
        cap = getattr(self.model.config, "final_logit_softcapping", None)
        return logits if cap is None else torch.tanh(logits / cap) * cap

    def qkv(self, layer, site, head, x):
        """The query, key or value `[position, d_head]` of one head that reads the stream `x`."""
        attention, x = self.attention(layer), self.before_attention(layer, x)
        d, n = self.d_head, {"q": self.n_heads, "k": self.n_kv, "v": self.n_kv}
        if self.kind == "gpt2":
            return attention.c_attn(x).chunk(3, -1)["qkv".index(site)][:, head * d : (head + 1) * d]
        if self.kind == "gpt_neox":
            return attention.query_key_value(x).view(len(x), n["q"], 3, d)[:, head, "qkv".index(site)]
        if self.kind == "phi3":
            start = {"q": 0, "k": n["q"], "v": n["q"] + n["k"]}[site]
            return attention.qkv_proj(x)[:, (start + head) * d : (start + head + 1) * d]
        return getattr(attention, f"{site}_proj")(x)[:, head * d : (head + 1) * d]

    def attend(self, layer, q, k, v, options):
        """What goes into the output matrix, `[position, head * d_head]`, from queries, keys, values of all heads."""
        attention = self.attention(layer)
        out = member(attention, "o_proj", "c_proj", "out_proj", "dense")
        made = {site: torch.cat(heads, -1)[None] for site, heads in (("q", q), ("k", k), ("v", v))}
        caught = []
        with ExitStack() as stack:

            def instead(module, value):
                stack.callback(module.register_forward_hook(lambda *_: value).remove)

            if self.kind == "gpt2":
                instead(attention.c_attn, torch.cat([made[site] for site in "qkv"], -1))
            elif self.kind == "phi3":
                instead(attention.qkv_proj, torch.cat([made[site] for site in "qkv"], -1))
            elif self.kind == "gpt_neox":
                by_head = [torch.cat(three, -1) for three in zip(q, k, v, strict=True)]
                instead(attention.query_key_value, torch.cat(by_head, -1)[None])
            else:
                for site in "qkv":
                    instead(getattr(attention, f"{site}_proj"), made[site])
            stack.callback(out.register_forward_pre_hook(lambda _, args: caught.append(args[0][0])).remove)
            anything = q[0].new_zeros(1, len(q[0]), self.model.config.hidden_size)
            attention(anything, **options)
        return caught[0]

    def head_writes(self, layer, z):
        """What each head writes, and what attention writes beside its heads."""
        block, attention = self.blocks[layer], self.attention(layer)
        out = member(attention, "o_proj", "c_proj", "out_proj", "dense")
        bias = out(torch.zeros_like(z))
        heads = []
        for head in range(self.n_heads):
            alone = torch.zeros_like(z)
            columns = slice(head * self.d_head, (head + 1) * self.d_head)
            alone[:, columns] = z[:, columns]
            heads.append(out(alone) - bias)
        if self.kind in ("gemma2", "gemma3", "olmo2"):  # a norm follows: all take the scale of the whole
            norm = block.post_attention_layernorm
            gain = norm.weight + 1 if "gemma" in self.kind else norm.weight
            eps = norm.variance_epsilon if self.kind == "olmo2" else norm.eps
            scale = torch.rsqrt((bias + sum(heads)).pow(2).mean(-1, keepdim=True) + eps)
            heads, bias = [head * scale * gain for head in heads], bias * scale * gain
        return heads, bias

    # --- runs ---------------------------------------------------------------------------------------------------------

    def start(self, ids):
        """The embeddings `[position, d_model]` of a prompt, and what the model hands to each block's attention."""
        found, options = [], {}
        with ExitStack() as stack, torch.no_grad():

            def embedded(_, args, kwargs):
                found.append((args[0] if args else kwargs["hidden_states"])[0])

            stack.callback(self.blocks[0].register_forward_pre_hook(embedded, with_kwargs=True).remove)
            for layer in range(len(self.blocks)):

                def given(_, args, kwargs, layer=layer):
                    options[layer] = {name: value for name, value in kwargs.items() if name != "hidden_states"}

                stack.callback(self.attention(layer).register_forward_pre_hook(given, with_kwargs=True).remove)
            self.model(input_ids=torch.tensor([ids]), use_cache=False)
        return found[0], options

    def run(self, ids, reads=None, embeddings=None):
        """Logits of the last position, and what every sender writes {name: [position, d_model]}.

        `reads(sender, receiver, written)` says what an edge carries; what was written where nothing is given.
        """
        embedded, options = self.start(ids)
        sent = {"input": embedded if embeddings is None else embeddings}
        biases = []

        def into(receiver):
            whole = 0
            for sender, written in sent.items():
                whole = whole + (written if reads is None else reads(sender, receiver, written))
            for bias in biases:
                whole = whole + bias
            return whole

        for layer in range(len(self.blocks)):
            kv = "kv" if self.n_kv < self.n_heads else "h"
            q = [self.qkv(layer, "q", h, into(f"a{layer}.h{h}<q>")) for h in range(self.n_heads)]
            k = [self.qkv(layer, "k", h, into(f"a{layer}.{kv}{h}<k>")) for h in range(self.n_kv)]
            v = [self.qkv(layer, "v", h, into(f"a{layer}.{kv}{h}<v>")) for h in range(self.n_kv)]
            heads, bias = self.head_writes(layer, self.attend(layer, q, k, v, options[layer]))
            beside = into(f"m{layer}") if self.parallel else None
            sent |= {f"a{layer}.h{head}": written for head, written in enumerate(heads)}
            biases.append(bias)
            sent[f"m{layer}"] = self.mlp(layer, into(f"m{layer}") if beside is None else beside)
        return self.logits(into("logits")), sent

    @torch.no_grad()
    def circuit(self, ids, edges, replaced):
        """Logits where only `edges` carry what is written, and all others `replaced[sender]`."""
        inside = set(edges)
        return self.run(
            ids, lambda sender, receiver, written: written if (sender, receiver) in inside else replaced[sender]
        )[0]

    def gate_gradients(self, ids, changes, lost, embeddings=None):
        """The derivative of `lost(logits)` by gates at 0 on all edges that let `changes[sender]` in, {edge: float}."""
        gates = {edge: torch.zeros((), requires_grad=True) for edge in self.edges}

        def reads(sender, receiver, written):
            return written + gates[sender, receiver] * changes[sender]

        logits, _ = self.run(ids, reads, embeddings)
        found = torch.autograd.grad(lost(logits), list(gates.values()), allow_unused=True)
        return {edge: 0.0 if one is None else float(one) for edge, one in zip(gates, found, strict=True)}
