"""A pytest plugin with which users test their own metrics, logs and goldens.

pytest finds it by itself: its fixtures are `cx_events`, `cx_engine`, `cx_replay`, `cx_golden` and
`cx_options`, see :mod:`processor.testing.plugin`.
"""
