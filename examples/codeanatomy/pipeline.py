"""The pipeline, as Hamilton functions: each one's parameters are the functions it needs.

The tags say what a function is to its operators: ``layer`` the part of the system, ``kind`` a stage (a step of the run)
or a task (one piece of work), ``task_id`` its lasting name. A parsed chunk has no ``task_id``: Hamilton numbers those.
"""

# pyright: reportUntypedFunctionDecorator=false
# (Hamilton's decorators have no types; they give back the function they were put on.)

import logging

from datafusion import SessionContext
from hamilton.function_modifiers import config, tag
from hamilton.htypes import Collect, Parallelizable

from codeanatomy import queries
from codeanatomy.extraction import ChunkReport, Job, extract_chunk
from codeanatomy.graph import build_adjacency, find_cycles
from codeanatomy.progress import Progress
from codeanatomy.session import (
    Record,
    copy_query,
    define,
    fetch,
    fetch_one,
    open_session,
    register_file,
    stream_pairs,
    write_query,
)
from codeanatomy.sources import Chunk, SourceListing, list_sources, split_into_chunks
from codeanatomy.summary import MOST_USED_NAMES, Findings, format_summary
from codeanatomy.tables import TableWriter, part_path, product_path, table_directory

logger = logging.getLogger(__name__)


@tag(layer="inputs", kind="stage", task_id="sources.list")
def source_listing(job: Job, progress: Progress) -> SourceListing:
    """Every Python file of the tree."""
    listing = list_sources(job.root, progress.found)
    logger.info("found %d Python files", len(listing.files))
    return listing


@tag(layer="plan", kind="task", task_id="sources.chunk")
def chunks(job: Job, source_listing: SourceListing) -> list[Chunk]:
    """The files, cut into pieces of work."""
    return split_into_chunks(source_listing.files, job.chunk_files)


@config.when(executor="plain")
@tag(layer="execution", kind="stage", task_id="sources.parse")
def parsed__plain(job: Job, chunks: list[Chunk], progress: Progress) -> ChunkReport:
    """The tables of facts, made by this thread alone."""
    reports: list[ChunkReport] = []
    for chunk in chunks:
        reports.append(extract_chunk(job, chunk))
        progress.advance(len(chunk.files))
    return total_report(reports)


@config.when_not(executor="plain")
@tag(layer="plan")
def chunk(chunks: list[Chunk]) -> Parallelizable[Chunk]:
    """Each piece of work, for a worker to take."""
    yield from chunks


@config.when_not(executor="plain")
@tag(layer="execution", kind="task")
def parsed_chunk(job: Job, chunk: Chunk) -> ChunkReport:
    """One part of the tables of facts, made by a worker."""
    return extract_chunk(job, chunk)


@config.when_not(executor="plain")
@tag(layer="execution", kind="stage", task_id="sources.parse")
def parsed__pool(parsed_chunk: Collect[ChunkReport]) -> ChunkReport:
    """The tables of facts, once every worker is done."""
    return total_report(list(parsed_chunk))


def total_report(reports: list[ChunkReport]) -> ChunkReport:
    """The sum of the reports, told once to the log."""
    total = ChunkReport(sum(report.parsed for report in reports), sum(report.failed for report in reports))
    logger.info("parsed %d files, %d could not be parsed", total.parsed, total.failed)
    return total


@tag(layer="storage", kind="stage", task_id="facts.register")
def facts(job: Job, parsed: ChunkReport) -> SessionContext:
    """A session over the tables of facts."""
    logger.info("reading the facts of %d files", parsed.parsed)
    return open_session(job.output)


@tag(layer="plan", kind="task", task_id="imports.resolve")
def import_links(facts: SessionContext) -> SessionContext:
    """The session, with views that lead each import to a module."""
    define(facts, queries.IMPORT_VIEWS)
    return facts


@tag(layer="execution", kind="task", task_id="calls.resolve")
def call_links(job: Job, import_links: SessionContext) -> SessionContext:
    """The session, with a table that leads calls to definitions."""
    define(import_links, queries.CALL_TABLES)
    directory = table_directory(job.output, "call_links")
    for part, query in enumerate(queries.CALL_RULES):
        write_query(import_links, query, part_path(directory, part))
    register_file(import_links, "call_links", directory)
    return import_links


@tag(layer="outputs", kind="task", task_id="product.nodes")
def nodes(job: Job, call_links: SessionContext) -> SessionContext:
    """The product ``nodes``: modules, definitions and outside packages."""
    path = product_path(job.output, "nodes")
    write_query(call_links, queries.NODES, path)
    register_file(call_links, "nodes", path)
    return call_links


@tag(layer="outputs", kind="task", task_id="product.edges")
def edges(job: Job, nodes: SessionContext) -> SessionContext:
    """The product ``edges``: what contains, imports and calls what."""
    path = product_path(job.output, "edges")
    write_query(nodes, queries.EDGES, path)
    register_file(nodes, "edges", path)
    return nodes


@tag(layer="outputs", kind="task", task_id="product.degrees")
def degrees(job: Job, edges: SessionContext) -> SessionContext:
    """The product ``degrees``: edges in and out of each node, by kind."""
    path = product_path(job.output, "degrees")
    copy_query(edges, queries.DEGREES, path)
    register_file(edges, "degrees", path)
    return edges


@tag(layer="execution", kind="task", task_id="cycles.imports")
def import_cycles(edges: SessionContext) -> list[list[int]]:
    """The groups of modules that import each other while they are being imported."""
    return find_cycles(build_adjacency(stream_pairs(edges, queries.IMPORT_EDGES)))


@tag(layer="execution", kind="task", task_id="cycles.calls")
def call_cycles(edges: SessionContext) -> list[list[int]]:
    """The groups of functions that call each other, and the functions that call themselves."""
    return find_cycles(build_adjacency(stream_pairs(edges, queries.CALL_EDGES)))


@tag(layer="storage", kind="task", task_id="product.cycles")
def cycles(
    job: Job, edges: SessionContext, import_cycles: list[list[int]], call_cycles: list[list[int]]
) -> SessionContext:
    """The product ``cycles``: each node of each cycle, of both kinds."""
    path = product_path(job.output, "cycles")
    with TableWriter(path, "cycles") as writer:
        for kind, components in (("call", call_cycles), ("import", import_cycles)):
            for number, members in enumerate(components):
                writer.add((kind, number, len(members), node_id) for node_id in members)
    register_file(edges, "cycles", path)
    return edges


@tag(layer="quality", kind="task", task_id="quality.unparsable")
def unparsable(facts: SessionContext) -> list[Record]:
    """The files that gave no rows, each with the reason."""
    return fetch(facts, queries.UNPARSABLE)


@tag(layer="quality", kind="task", task_id="quality.resolution")
def resolution(call_links: SessionContext) -> Record:
    """How many imports and calls were led to something inside the tree."""
    return fetch_one(call_links, queries.RESOLUTION)


@tag(layer="outputs", kind="stage", task_id="summary.findings")
def findings(  # noqa: PLR0913, PLR0917  in Hamilton a parameter is an edge of the graph
    facts: SessionContext,
    degrees: SessionContext,
    cycles: SessionContext,
    unparsable: list[Record],
    resolution: Record,
    source_listing: SourceListing,
) -> Findings:
    """Every figure of the summary."""
    return Findings(
        counts=fetch_one(facts, queries.FACT_COUNTS),
        resolution=resolution,
        nodes=fetch(degrees, queries.NODE_COUNTS),
        degrees=fetch(degrees, queries.DEGREE_STATISTICS),
        most_used=fetch(degrees, queries.MOST_USED.format(top=MOST_USED_NAMES)),
        cycles=fetch(cycles, queries.CYCLE_STATISTICS),
        largest=fetch(cycles, queries.LARGEST_CYCLES),
        unparsable=unparsable,
        unlisted=source_listing.unlisted,
    )


@tag(layer="outputs")
def summary(job: Job, findings: Findings) -> str:
    """The text for the user."""
    return format_summary(job.root, job.output, findings)
