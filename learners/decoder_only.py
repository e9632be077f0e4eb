"""Transformer without an encoder: a language model of `source <sep> target`, as most learners of today are.

With sinusoidal positions it is fairseq's decoder without attention to an encoder, weight for weight.
"""

from torch import Tensor, nn

from indoubt.layers import ROPE_BASE, Stack, projection


class DecoderOnly(nn.Module):
    """A causal Transformer, post-norm; its arguments are those of `transformer.py`.

    Dropout is .1, not the paper's .5, at which a model of this size often does not fit even four examples.
    rope_base, position_scale: of rotary positions the base of the frequencies, and what places are multiplied by; the
    fastest frequency turns once in 2 pi / position_scale places.
    """

    #: Arguments that came after results were filed: at their default they are no part of a learner's identity.
    added_later = ("rope_base", "position_scale")

    def __init__(
        self,
        symbols: int,
        width: int = 16,
        ffn: int = 512,
        heads: int = 8,
        layers: int = 1,
        dropout: float = 0.1,
        positions: str = "sinusoidal",
        shared: bool = False,
        longest: int = 512,
        rope_base: float = ROPE_BASE,
        position_scale: float = 1.0,
    ) -> None:
        super().__init__()
        sizes = {"width": width, "ffn": ffn, "heads": heads, "layers": layers, "dropout": dropout}
        more = {"positions": positions, "shared": shared, "longest": longest}
        more |= {"rope_base": rope_base, "position_scale": position_scale}
        self.decoder = Stack(symbols, **sizes, **more, causal=True)
        self.out = projection(width, symbols)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(self.decoder(tokens))
