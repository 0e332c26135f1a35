"""What is broken on purpose during the day, at moments that a seed chooses: workers, the broker, the sink, its target."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence

from gridhub.connectors.demo.day.script import Step
from gridhub.connectors.demo.day.target import Mood, Target
from gridhub.connectors.demo.parts import Part
from gridhub.connectors.demo.town import Town

KILLS, RINGING_KILLS, FIRST_STEP = 5, 2, 2
MOODS = (Mood.DOWN, Mood.ERROR, Mood.HANG, Mood.MUTE, Mood.TWICE)
MOOD_STEPS = 4
MET_S, DOWN_S = 60.0, 1.0  # how long a mood waits for its first request; a target that is down meets none
_LONGEST_PAUSE_S = 0.3


class Chaos:
    """Does the deeds of a step when it is told of it. `done` counts them."""

    def __init__(  # noqa: PLR0913  # all that can be broken
        self, town: Town, sink: Part, target: Target, steps: Sequence[Step], seed: int, say: Callable[[str], None]
    ) -> None:
        self._town, self._sink, self._target, self._say = town, sink, target, say
        self._dice = random.Random(seed)
        self.deeds = deeds(steps, self._dice)
        self.done: Counter[str] = Counter()
        self._since = Counter[str](), 0.0  # what the target had met when its mood began, and when that was

    def on_step(self, number: int) -> None:
        """Break what is to break while what falls due, or this step's message, is on its way."""
        for deed in self.deeds.get(number, ()):
            if deed in set(Mood):
                self._turn(Mood(deed))
            else:
                time.sleep(self._dice.uniform(0, _LONGEST_PAUSE_S))
                getattr(self, f"_{deed}")()
            self.done[deed] += 1

    def _turn(self, mood: Mood) -> None:
        """Put the target into another mood, when somebody has met the one it was in."""
        deadline = time.monotonic() + MET_S
        while not (self._met() or time.monotonic() > deadline):
            time.sleep(0.02)
        self._since = Counter(self._target.met), time.monotonic()
        self._target.mood = mood
        self._say(f"the target: {mood}")

    def _met(self) -> bool:
        known, at = self._since
        if self._target.mood == Mood.DOWN:
            return time.monotonic() - at > DOWN_S
        return self._target.met[self._target.mood] > known[self._target.mood]

    def _kill(self) -> None:
        self._strike(self._dice.choice(self._town.workers))

    def _kill_sink(self) -> None:
        self._strike(self._sink)

    def _strike(self, part: Part) -> None:
        self._say(f"kill -9 {part.name} (pid {part.pid})")
        part.kill()
        part.start()

    def _broker(self) -> None:
        self._town.restart_broker(self._say)


def deeds(steps: Sequence[Step], dice: random.Random) -> dict[int, list[str]]:
    """What happens at which step: the kills, some while timers ring; a broker restart, the sink killed, each mood once."""
    found: dict[int, list[str]] = {}
    last = len(steps) - 1
    ringing = [place for place in range(FIRST_STEP, last) if steps[place].before.strip()]
    places = dice.sample(ringing, RINGING_KILLS)
    others = [place for place in range(FIRST_STEP, last) if place not in places]
    places += dice.sample(others, KILLS - RINGING_KILLS + 2)
    for place, deed in zip(places, ["kill"] * KILLS + ["broker", "kill_sink"], strict=True):
        found.setdefault(place, []).append(deed)
    span = (last - FIRST_STEP) // len(MOODS)
    for turn, mood in enumerate(dice.sample(MOODS, len(MOODS))):
        begin = FIRST_STEP + turn * span
        found.setdefault(begin, []).append(mood.value)
        found.setdefault(begin + min(MOOD_STEPS, span - 1), []).append(Mood.WELL.value)
    return found
