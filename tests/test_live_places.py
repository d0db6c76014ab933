"""Places on the served live page: who gets one, who waits, and when one is given back."""

import asyncio
import time
from datetime import timedelta
from functools import partial
from types import SimpleNamespace

import pytest
from jupyter_server import CallContext
from jupyter_server.auth import User
from tornado.web import HTTPError

from workbench.interact.live import places


@pytest.fixture
def visit(monkeypatch):
    """Play visits to one place: each begins with a browser's name, and gives a page and the start of its kernel."""

    async def begin(kept, browser: str):
        page = object.__new__(places.Asked)  # a request without its connection
        page.application, page._current_user = SimpleNamespace(settings={"kernel_manager": kept}), User(browser)
        page._jupyter_current_user = page._current_user
        CallContext.set(CallContext.JUPYTER_HANDLER, page)
        task, free = asyncio.ensure_future(kept.start_kernel()), kept.taken(page) < kept.guests
        await asyncio.wait([task], timeout=None if free else 0.3)
        return page, task

    def play(visits):
        async def whole():
            kept = places.Places(guests=1)
            try:
                await visits(kept, partial(begin, kept))
            finally:
                await kept.shutdown_all(now=True)
                kept.context.destroy(linger=0)  # else by the garbage collector, which can wait for ever

        asyncio.run(whole())

    monkeypatch.setattr(places, "PATIENCE", 2)
    return play


def test_places_are_given_back(visit):
    """Of a page that nobody looks at soon, of an idle one after a while."""

    async def visits(kept, begin):
        page, first = await begin("one")
        page.whole = time.monotonic()
        one = first.result()
        kernel = kept.get_kernel(one)
        kept.notify_connect(one)
        kernel.execution_state = "idle"
        kernel.last_activity -= timedelta(seconds=300)
        await kept.cull_kernel_if_idle(one)
        assert kept.taken() == 1
        kernel.last_activity -= timedelta(seconds=301)
        kernel.execution_state = "busy"
        await kept.cull_kernel_if_idle(one)
        assert kept.taken() == 1
        kernel.execution_state = "idle"
        await kept.cull_kernel_if_idle(one)
        assert kept.list_kernel_ids() == []
        page, second = await begin("two")
        page.whole = time.monotonic()
        kernel = kept.get_kernel(second.result())
        kernel.execution_state = "idle"
        kernel.last_activity -= timedelta(seconds=31)
        await kept.cull_kernel_if_idle(second.result())
        assert kept.list_kernel_ids() == []

    visit(visits)


def test_a_page_waits_a_little_for_a_place(visit):
    async def visits(kept, begin):
        _, first = await begin("one")
        _, second = await begin("two")
        _, third = await begin("three")
        assert (kept.taken(), first.done(), second.done(), third.done()) == (1, True, False, False)
        await kept.shutdown_kernel(first.result(), now=True)
        await asyncio.wait([second, third])
        one, other = (second, third) if third.exception() else (third, second)
        assert kept.list_kernel_ids() == [one.result()]
        with pytest.raises(HTTPError, match=r"503: All places for guests are taken \(1\)"):
            other.result()

    visit(visits)


def test_a_page_loaded_again_comes_before_others_that_wait(visit):
    async def visits(kept, begin):
        _, first = await begin("one")
        _, other = await begin("two")
        ending = asyncio.ensure_future(kept.shutdown_kernel(first.result()))
        await asyncio.sleep(0)
        _, again = await begin("one")
        await ending
        assert kept.list_kernel_ids() == [await again]
        with pytest.raises(HTTPError, match="503"):
            await other

    visit(visits)


def test_a_page_that_is_left_while_it_is_made_gives_its_place_back_when_it_is_whole(visit):
    async def visits(kept, begin):
        page, first = await begin("one")
        page.leave()
        gone, second = await begin("two")
        _, third = await begin("three")
        gone.leave()
        await asyncio.wait([second])
        with pytest.raises(HTTPError, match="499"):
            second.result()
        await asyncio.sleep(2)  # longer than one waits where nobody is leaving
        assert kept.list_kernel_ids() == [first.result()]
        page.whole = time.monotonic()
        page.leave()
        await asyncio.wait([page.end])
        assert await third in kept
        assert first.result() not in kept

    visit(visits)


def test_a_browser_that_asks_again_gives_up_what_it_does_not_look_at(visit, monkeypatch):
    async def visits(kept, begin):
        page, first = await begin("one")
        page.whole = time.monotonic()
        kept.notify_connect(first.result())
        monkeypatch.setattr(places, "DRAWN", 0)
        with pytest.raises(HTTPError, match="503"):
            await (await begin("one"))[1]  # a second tab
        kept.notify_disconnect(first.result())
        with pytest.raises(HTTPError, match="503"):
            await (await begin("two"))[1]
        again = await (await begin("one"))[1]
        await asyncio.wait([page.end])
        assert kept.list_kernel_ids() == [again]
        assert [*kept.pages] == [again]

    visit(visits)


def test_a_page_that_is_made_is_waited_for_and_one_that_is_left_is_not(visit):
    async def visits(kept, begin):
        page, first = await begin("one")
        kernel = kept.get_kernel(first.result())
        kernel.execution_state = "starting"
        kernel.last_activity -= timedelta(seconds=300)
        await kept.cull_kernel_if_idle(first.result())
        assert kept.taken() == 1
        page.left, kernel.execution_state = True, "busy"
        await kept.cull_kernel_if_idle(first.result())
        assert (kept.taken(), kept.pages) == (0, {})

    visit(visits)
