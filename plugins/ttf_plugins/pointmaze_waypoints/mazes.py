"""The mazes that points are driven through, as environments."""

from __future__ import annotations

from ttf.interfaces.data import EnvironmentSpec

_REGISTERED = {"open": "Open", "umaze": "UMaze", "medium": "Medium", "large": "Large"}

#: Four rooms of 4 x 4 cells, each with a door to both neighbours; # is a wall.
FOUR_ROOMS = """\
###########
#    #    #
#         #
#    #    #
#    #    #
## #### ###
#    #    #
#    #    #
#         #
#    #    #
###########
"""


def environment_spec(maze: str) -> EnvironmentSpec:
    """PointMaze with a maze, whose episodes end at their goal; a map that is not registered is among the options."""
    options = {"continuing_task": False}
    if maze == "fourrooms":
        maze_map = [[int(cell == "#") for cell in row] for row in FOUR_ROOMS.splitlines()]
        return EnvironmentSpec("PointMaze_Medium-v3", {**options, "maze_map": maze_map})
    return EnvironmentSpec(f"PointMaze_{_REGISTERED[maze]}-v3", options)
