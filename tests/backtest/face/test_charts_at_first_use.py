"""A backtest loads what draws charts when the strategy draws the first one; all its threads then share the same points."""

from __future__ import annotations

import threading

from fmzthreads.backtest.face.charts import RunCharts


def test_a_run_without_charts_has_an_empty_result() -> None:
    assert RunCharts(lambda: 0).result() == {"Cfg": "", "Datas": []}


def test_threads_that_draw_at_once_share_the_points() -> None:
    for _ in range(20):
        charts = RunCharts(lambda: 0)
        together = threading.Barrier(4)

        def _draw(charts: RunCharts = charts, together: threading.Barrier = together) -> None:
            together.wait()
            charts.chart({"series": [{"name": "a"}]}).add(0, [1, 2])

        threads = [threading.Thread(target=_draw) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert charts.result()["Datas"] == [[0, [1, 2]]] * 4
