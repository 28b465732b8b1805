"""The published recipe of every shipped purity task is one its laboratory can make."""

import pytest

from agents.published import PublishedPolicy
from sdl.core.recipe import Wash
from sdl.safety.limits import check_recipe
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import load_task, task_names

TASKS = [name for name in task_names() if load_task(name).published is not None]


@pytest.mark.parametrize("name", TASKS)
def test_the_published_recipe_can_be_made(name: str):
    task = load_task(name)
    recipe = PublishedPolicy(task).recipe(task.laboratory)
    assert not check_recipe(recipe, task.laboratory)
    space = TaskSpace(task)
    assert space.decode(space.encode(recipe)) == recipe
    assert any(isinstance(s, Wash) for s in recipe.steps) == (name == "y2mn2o7")
