"""Other stream processors over the same log: NPS by channel, five minutes every minute."""

from benchmarks.peers.running import PEERS, PeerError, is_prepared, run_peer

__all__ = ["PEERS", "PeerError", "is_prepared", "run_peer"]
