"""Minimum cut of a small graph by blocking flows (Dinic, 1970)."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable

INFINITE = 1 << 60


class MinCut:
    """Nodes are numbers; 0 is the source side's end, 1 the sink side's."""

    def __init__(self) -> None:
        self.edges: list[list[int]] = [[], []]  # of each node: indices into `to` and `room`
        self.to: list[int] = []
        self.room: list[int] = []

    def node(self) -> int:
        self.edges.append([])
        return len(self.edges) - 1

    def edge(self, a: int, b: int, capacity: int) -> None:
        """Costs `capacity` when a is on the source's side and b is not."""
        if a == b or capacity <= 0:
            return
        for u, v, c in ((a, b, capacity), (b, a, 0)):
            self.edges[u].append(len(self.to))
            self.to.append(v)
            self.room.append(c)

    def source_side(self) -> set[int]:
        """The nodes on the source's side of the largest of all minimum cuts, of those that are connected to it."""
        linked = self._reach(0, lambda e: True)
        while 1 in (level := self._levels()):
            place = [0] * len(self.edges)
            while self._push(level, place):
                pass
        return linked - self._reach(1, lambda e: self.room[e ^ 1] > 0)

    def _reach(self, start: int, passable: Callable[[int], bool]) -> set[int]:
        """Nodes reached from `start` over the edges e of a node for which passable(e)."""
        found, stack = {start}, [start]
        while stack:
            for e in self.edges[stack.pop()]:
                if self.to[e] not in found and passable(e):
                    found.add(self.to[e])
                    stack.append(self.to[e])
        return found

    def _levels(self) -> dict[int, int]:
        level, queue = {0: 0}, deque([0])
        while queue:
            u = queue.popleft()
            for e in self.edges[u]:
                if self.room[e] > 0 and self.to[e] not in level:
                    level[self.to[e]] = level[u] + 1
                    queue.append(self.to[e])
        return level

    def _push(self, level: dict[int, int], place: list[int]) -> bool:
        """Sends flow along one shortest path, found without recursion."""
        path: list[int] = []
        u = 0
        while u != 1:
            while place[u] < len(self.edges[u]):
                e = self.edges[u][place[u]]
                if self.room[e] > 0 and level.get(self.to[e], -1) == level[u] + 1:
                    break
                place[u] += 1
            else:
                if not path:
                    return False
                u = self.to[path.pop() ^ 1]
                place[u] += 1
                continue
            path.append(e)
            u = self.to[e]
        flow = min(self.room[e] for e in path)
        for e in path:
            self.room[e] -= flow
            self.room[e ^ 1] += flow
        return True
