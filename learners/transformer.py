"""Transformer, encoder and decoder. With its defaults it is fairseq's `transformer` of the paper, weight for weight."""

from torch import Tensor, nn

from indoubt.layers import Stack, projection


class Transformer(nn.Module):
    """Vaswani et al. (2017), post-norm, with the positions of your choice.

    positions: `sinusoidal`, `learned`, `none`, `rope`, `alibi` or `relative`, in the self-attention of both sides; from
    decoder to encoder there are none. shared: one layer's weights, applied `layers` times: a universal Transformer.
    longest: symbols of the longest source or output, where positions are learned.
    """

    def __init__(
        self,
        source_symbols: int,
        target_symbols: int,
        width: int = 16,
        ffn: int = 512,
        heads: int = 8,
        layers: int = 1,
        dropout: float = 0.5,
        positions: str = "sinusoidal",
        shared: bool = False,
        longest: int = 512,
    ) -> None:
        super().__init__()
        sizes = {"width": width, "ffn": ffn, "heads": heads, "layers": layers, "dropout": dropout}
        more = {"positions": positions, "shared": shared, "longest": longest}
        self.encoder = Stack(source_symbols, **sizes, **more, causal=False)
        self.decoder = Stack(target_symbols, **sizes, **more, causal=True, memory=True)
        self.out = projection(width, target_symbols)

    def forward(self, source: Tensor, source_mask: Tensor, previous: Tensor) -> Tensor:
        memory = self.encoder(source, source_mask)
        return self.out(self.decoder(previous, None, memory, source_mask))
