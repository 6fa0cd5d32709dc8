"""What the Hamilton UI's own SDK knows to tell of graphs and results.

Importing it imports that SDK, which takes its time: only the sender's thread does so.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro.instrumentation.hamilton.tracker_values import cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeanatomy_distro.instrumentation.hamilton.profiles import TrackerOptions

__all__ = ["register_graph", "result_attributes"]


# By name: the SDK has no types, and is no package of ours or of our tests.
_driver: Final[Any] = import_module("hamilton_sdk.driver")
_clients: Final[Any] = import_module("hamilton_sdk.api.clients")
_runs: Final[Any] = import_module("hamilton_sdk.tracking.runs")


def register_graph(options: TrackerOptions, graph: Any, modules: Sequence[Any]) -> int:  # noqa: ANN401
    """Return the server's id of `graph`, made of `modules`; a new graph is registered, with its source code."""
    version = _driver._derive_version_control_info(_driver._get_modules_hash(tuple(modules)))  # noqa: SLF001 - there is no public way
    base = version.local_repo_base_path
    return _registration_client(options).register_dag_template_if_not_exists(
        project_id=options.project_id,
        dag_hash=_driver.hash_dag(graph),
        code_hash=_driver.hash_dag_modules(graph, list(modules)),
        name=options.dag_name,
        nodes=_driver._extract_node_templates_from_function_graph(graph),  # noqa: SLF001 - there is no public way
        code_artifacts=_driver.extract_code_artifacts_from_function_graph(graph, version, base),
        config=cut(graph.config, options.limits),
        tags={},
        code=_driver._slurp_code(graph, base),  # noqa: SLF001 - there is no public way
        vcs_info=version,
    )


def _registration_client(options: TrackerOptions) -> Any:  # noqa: ANN401
    """Return the SDK's client without what its constructor starts: a queue, two threads and an exit hook."""
    client = object.__new__(_clients.BasicSynchronousHamiltonClient)
    client.api_key = options.api_key
    client.username = options.username
    client.base_url = f"{options.api_url}/api/v1"
    client.verify = True
    return client


def result_attributes(node: Any, node_name: str, result: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return what may be told about the result of `node`, by the SDK's own limits: its summary, its schema and more."""
    summary, schema, more = _runs.process_result(result, node)
    observations = [observation for observation in (summary, schema, *more) if observation is not None]
    return [
        {
            "node_name": node_name,
            "name": observation.get("name") or ("result_summary" if number == 0 else f"Attribute {number}"),
            "type": observation["observability_type"],
            "schema_version": int(observation["observability_schema_version"].rpartition(".")[2]),
            "value": observation["observability_value"],
            "attribute_role": "result_summary",
        }
        for number, observation in enumerate(observations)
    ]
