"""The instrumentor: lazy, reversible, and silent where there is nothing to instrument."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from opentelemetry import trace

import codeanatomy_distro
from codeanatomy_distro.instrumentation.datafusion import DataFusionInstrumentor

datafusion: Any = pytest.importorskip("datafusion")


_LAZY = """
import sys
from codeanatomy_distro.instrumentation.datafusion import DataFusionInstrumentor

instrumentor = DataFusionInstrumentor()
instrumentor.instrument()
heavy = {"datafusion", "pyarrow", "pandas", "numpy", "opentelemetry.sdk"} & set(sys.modules)
assert not heavy, heavy
"""


def _run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def _attributes() -> dict[tuple[str, str], Any]:
    internal = datafusion._internal
    owners: dict[str, Any] = {
        "DataFrame": datafusion.DataFrame,
        "SessionContext": datafusion.SessionContext,
        "_internal.DataFrame": internal.DataFrame,
        "_internal.SessionContext": internal.SessionContext,
        "ScalarUDF": datafusion.ScalarUDF,
        "AggregateUDF": datafusion.AggregateUDF,
        "WindowUDF": datafusion.WindowUDF,
        "Serde": internal.substrait.Serde,
        "Consumer": internal.substrait.Consumer,
        "_internal.LogicalPlan": internal.LogicalPlan,
        "Catalog": datafusion.catalog.Catalog,
    }  # fmt: skip
    found: dict[tuple[str, str], Any] = {}
    for label, owner in owners.items():
        members: dict[str, Any] = dict(cast("Any", vars(owner)))
        found.update({(label, name): value for name, value in members.items()})
    return found


def test_instrumenting_imports_nothing_heavy() -> None:
    """Loading and instrumenting imports neither DataFusion nor pyarrow, pandas, or the SDK."""
    assert _run(_LAZY) == ""


def test_it_is_silent_without_datafusion() -> None:
    """A program in whose environment there is no DataFusion is instrumented without a word."""
    hide = "import sys\nsys.modules['datafusion'] = None\n"
    assert _run(hide + _LAZY.replace('"datafusion", ', "") + "instrumentor.uninstrument()\n") == ""


def test_the_first_import_is_patched_and_a_later_one_after_undo_is_not() -> None:
    """The hook patches at import; undone before the import, it does nothing."""
    check = "from datafusion import SessionContext\nprint(hasattr(SessionContext.sql, '__wrapped__'))\n"
    assert _run(_LAZY + check) == "True\n"
    assert _run(_LAZY + "instrumentor.uninstrument()\n" + check) == "False\n"


def test_undo_restores_the_identical_objects() -> None:
    """After `uninstrument` each attribute of each patched class is the very object that it was."""
    before = _attributes()
    instrumentor = DataFusionInstrumentor()
    for _ in range(2):
        instrumentor.instrument()
        changed = [key for key, value in _attributes().items() if before[key] is not value]
        assert ("DataFrame", "collect") in changed
        assert ("_internal.DataFrame", "collect") in changed
        instrumentor.uninstrument()
        after = _attributes()
        assert [key for key in before if before[key] is not after.get(key)] == []
        assert set(before) == set(after)


def test_a_replacement_looks_like_its_original(instrumented: Any) -> None:
    """A patched method keeps its signature and its text, and pickles by reference as it did."""
    original = inspect.unwrap(datafusion.DataFrame.join)
    assert inspect.signature(datafusion.DataFrame.join) == inspect.signature(original)
    assert datafusion.SessionContext.sql.__doc__ == inspect.unwrap(datafusion.SessionContext.sql).__doc__
    assert pickle.loads(pickle.dumps(datafusion.DataFrame.collect)) is datafusion.DataFrame.collect
    raw = datafusion._internal.DataFrame.collect
    assert pickle.loads(pickle.dumps(raw)) is raw


def test_warnings_still_name_the_users_line(instrumented: Any, tmp_path: Path) -> None:
    """No function of ours stands between the user and a method that warns its caller: the warning names the user."""
    home = str(Path(codeanatomy_distro.__file__).parent)
    functions = [
        value
        for (owner, _), value in _attributes().items()
        if owner in {"DataFrame", "SessionContext"}
        if inspect.isfunction(value) and value.__code__.co_filename.startswith(home)
    ]
    assert len(functions) > 20
    assert [
        each.__name__
        for each in functions
        if hasattr(each, "__deprecated__") or "warn" in inspect.getsource(inspect.unwrap(each))
    ] == []
    options: Any = getattr(datafusion, "CsvReadOptions", None)
    if options is not None:
        (tmp_path / "file.csv").write_text("a\n1\n")
        with pytest.warns(UserWarning) as caught:  # noqa: PT030 - of which line is what counts
            datafusion.SessionContext().read_csv(tmp_path / "file.csv", options=options(), has_header=False)
        assert [each.filename for each in caught] == [__file__]


def test_subclasses_and_unbound_calls_are_seen(case: Any, executions: Any) -> None:
    """A subclass that calls `super()` and a method called through its class are one execution each."""

    class Mine(datafusion.DataFrame):
        def collect(self) -> Any:
            return cast("Any", super().collect())

    executions()
    Mine(case.frame.df).collect()
    datafusion.DataFrame.collect(case.frame)
    assert executions() == ["collect", "collect"]


def test_a_fault_of_ours_never_reaches_the_user(
    case: Any, executions: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When our own code fails before or after the engine ran, the user's result is as ever, and it is said once."""
    from codeanatomy_distro.instrumentation import patching
    from codeanatomy_distro.instrumentation.datafusion import compile as compiling
    from codeanatomy_distro.instrumentation.datafusion import execute

    def broken(*_: object, **__: object) -> object:
        message = "ours"
        raise RuntimeError(message)

    monkeypatch.setattr(patching, "_reported", set[str]())
    monkeypatch.setattr(execute, "record_duration", broken)
    assert len(case.frame.collect()) == 1
    monkeypatch.setattr(execute.Execute, "__init__", broken)
    monkeypatch.setattr(compiling, "Compile", broken)
    assert case.context.sql("select 1 as one").to_pydict() == {"one": [1]}
    assert case.context.sql("select 1 as one").to_pydict() == {"one": [1]}
    assert len([record for record in caplog.records if "failed and is left out" in record.message]) == 3


def test_a_failing_span_processor_is_not_the_users(instrument: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A span processor that raises at a span's start or end breaks no query, and leaves no context behind."""
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    from codeanatomy_distro.instrumentation import patching

    class Broken(SpanProcessor):
        def __init__(self, where: str) -> None:
            setattr(self, where, self._raise)

        def _raise(self, *_: object, **__: object) -> None:
            message = "a processor's"
            raise RuntimeError(message)

    instrumentor = instrument("full")
    for where in ("on_start", "on_end"):
        monkeypatch.setattr(patching, "_reported", {"sql", "collect", "the end of a span", "the end of an execution"})
        instrumentor.uninstrument()
        provider = TracerProvider()
        provider.add_span_processor(Broken(where))
        instrumentor.instrument(tracer_provider=provider)
        context = datafusion.SessionContext()
        assert context.sql("create table t as select 1 as one").collect() == []
        assert context.sql("select one from t").to_pydict() == {"one": [1]}
        assert [batch.to_pyarrow().num_rows for batch in context.sql("select one from t").execute_stream()] == [1]
        assert not trace.get_current_span().get_span_context().is_valid


def test_a_call_without_its_arguments_fails_as_without_us(case: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A call that lacks arguments, or has odd ones, has Python's own error, and nothing is said of it."""
    if not hasattr(case.context, "register_view"):
        pytest.skip("not in this release")
    for name in ("register_view", "table", "sql"):
        with pytest.raises(TypeError, match="missing"):
            getattr(case.context, name)()
    for odd in (41, None, b"select 1", ["select 1"]):
        with pytest.raises(TypeError, match=r"str|argument"):
            case.context.sql(odd)
    assert caplog.records == []


def test_suppressed_code_is_not_traced(case: Any, executions: Any) -> None:
    """Code under `suppress_instrumentation` makes no span."""
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    executions()
    with suppress_instrumentation():
        case.frame.collect()
    assert executions() == []
