"""The SQL of the program: views over the tables of facts, the products, and the figures of the summary.

Names are resolved as text, in SQL: a call may lead to a definition of that name in the same file, in the same class
(``self.name``), or in the module that the name was imported from. What is assigned at run time is out of reach.
"""

IMPORT_VIEWS = (
    # Two files may claim one module name; Python prefers the package, and we then take the first.
    """
    CREATE VIEW modules AS
    SELECT file_id, module, path
    FROM (
        SELECT *, row_number() OVER (PARTITION BY module ORDER BY CAST(is_package AS INT) DESC, file_id) AS place
        FROM files
    )
    WHERE place = 1
    """,
    # The most exact module known: the submodule that was named, the module, or at least its top package.
    """
    CREATE VIEW import_links AS
    SELECT
        i.file_id,
        split_part(i.module, '.', 1) AS package,
        coalesce(submodule.file_id, exact.file_id, package.file_id) AS target_id,
        i.deferred
    FROM imports AS i
    LEFT JOIN modules AS submodule ON submodule.module = i.module || '.' || i.name
    LEFT JOIN modules AS exact ON exact.module = i.module
    LEFT JOIN modules AS package ON package.module = split_part(i.module, '.', 1)
    """,
    """
    CREATE VIEW externals AS
    SELECT -CAST(row_number() OVER (ORDER BY package) AS BIGINT) AS node_id, package
    FROM (SELECT DISTINCT package FROM import_links WHERE target_id IS NULL AND package <> '')
    """,
)

# Tables and not views: each is read several times below, and is far smaller than the calls.
CALL_TABLES = (
    # A name that a file defines twice stands for its first definition.
    """
    CREATE TABLE callables AS
    SELECT file_id, qualname, min(node_id) AS node_id FROM definitions GROUP BY file_id, qualname
    """,
    """
    CREATE TABLE bindings AS
    SELECT i.file_id, i.bound, m.file_id AS module_id, i.name
    FROM imports AS i JOIN modules AS m ON m.module = i.module
    WHERE i.bound IS NOT NULL
    UNION
    SELECT i.file_id, i.bound, m.file_id AS module_id, CAST(NULL AS VARCHAR) AS name
    FROM imports AS i JOIN modules AS m ON m.module = i.module || '.' || i.name
    WHERE i.bound IS NOT NULL
    """,
)

# One query a rule, each run on its own: together they would hold five joins of all the calls in memory at once.
CALL_RULES = (
    """
    SELECT c.call_id, c.caller_id, d.node_id AS target_id, 'same file' AS rule
    FROM calls AS c JOIN callables AS d ON d.file_id = c.file_id AND d.qualname = c.name
    ORDER BY call_id, target_id
    """,
    """
    SELECT c.call_id, c.caller_id, d.node_id AS target_id, 'own body' AS rule
    FROM calls AS c JOIN definitions AS d ON d.parent_id = c.caller_id AND d.name = c.name
    WHERE c.caller_id <> c.file_id
    ORDER BY call_id, target_id
    """,
    """
    SELECT c.call_id, c.caller_id, d.node_id AS target_id, 'same class' AS rule
    FROM calls AS c JOIN definitions AS d ON d.parent_id = c.class_id AND d.name = c.last
    WHERE c.prefix IN ('self', 'cls')
    ORDER BY call_id, target_id
    """,
    """
    SELECT c.call_id, c.caller_id, d.node_id AS target_id, 'imported name' AS rule
    FROM calls AS c
    JOIN bindings AS b ON b.file_id = c.file_id AND b.bound = c.name
    JOIN callables AS d ON d.file_id = b.module_id AND d.qualname = b.name
    ORDER BY call_id, target_id
    """,
    """
    SELECT c.call_id, c.caller_id, d.node_id AS target_id, 'member of import' AS rule
    FROM calls AS c
    JOIN bindings AS b ON b.file_id = c.file_id AND b.bound = c.prefix
    JOIN callables AS d ON d.file_id = b.module_id
        AND d.qualname = CASE WHEN b.name IS NULL THEN c.last ELSE b.name || '.' || c.last END
    ORDER BY call_id, target_id
    """,
)

NODES = """
    SELECT file_id AS node_id, 'module' AS kind, module AS name, path, CAST(NULL AS BIGINT) AS line FROM files
    UNION ALL
    SELECT d.node_id, d.kind, f.module || '.' || d.qualname, f.path, d.line
    FROM definitions AS d JOIN files AS f ON f.file_id = d.file_id
    UNION ALL
    SELECT node_id, 'external', package, CAST(NULL AS VARCHAR) AS path, CAST(NULL AS BIGINT) AS line FROM externals
    ORDER BY node_id
"""

EDGES = """
    SELECT parent_id AS source_id, node_id AS target_id, 'contains' AS kind, false AS deferred, 1 AS weight
    FROM definitions
    UNION ALL
    SELECT i.file_id, coalesce(i.target_id, e.node_id), 'import', bool_and(i.deferred), count(*)
    FROM import_links AS i LEFT JOIN externals AS e ON e.package = i.package
    WHERE coalesce(i.target_id, e.node_id) <> i.file_id
    GROUP BY i.file_id, coalesce(i.target_id, e.node_id)
    UNION ALL
    SELECT caller_id, target_id, 'call', false, count(DISTINCT call_id) FROM call_links GROUP BY caller_id, target_id
    ORDER BY source_id, kind, target_id
"""

DEGREES = """
    SELECT node_id, kind, sum(incoming) AS in_degree, sum(outgoing) AS out_degree
    FROM (
        SELECT source_id AS node_id, kind, 0 AS incoming, 1 AS outgoing FROM edges
        UNION ALL
        SELECT target_id AS node_id, kind, 1 AS incoming, 0 AS outgoing FROM edges
    )
    GROUP BY node_id, kind
    ORDER BY kind, node_id
"""

IMPORT_EDGES = "SELECT source_id, target_id FROM edges WHERE kind = 'import' AND NOT deferred AND target_id >= 0"
CALL_EDGES = "SELECT source_id, target_id FROM edges WHERE kind = 'call'"

FACT_COUNTS = """
    SELECT f.parsed, f.failed, f.lines, d.definitions, c.calls, i.imports
    FROM (
        SELECT
            count(CASE WHEN status = 'parsed' THEN 1 END) AS parsed,
            count(CASE WHEN status <> 'parsed' THEN 1 END) AS failed,
            coalesce(sum(lines), 0) AS lines
        FROM files
    ) AS f
    CROSS JOIN (SELECT count(*) AS definitions FROM definitions) AS d
    CROSS JOIN (SELECT count(*) AS calls FROM calls) AS c
    CROSS JOIN (SELECT count(*) AS imports FROM imports) AS i
"""
UNPARSABLE = "SELECT path, status, error FROM files WHERE status <> 'parsed' ORDER BY file_id"
RESOLUTION = """
    SELECT
        i.inside AS imports_inside,
        i.outside AS imports_outside,
        i.beyond AS imports_beyond,
        c.inside AS calls_inside
    FROM (
        SELECT
            count(target_id) AS inside,
            count(CASE WHEN target_id IS NULL AND package <> '' THEN 1 END) AS outside,
            count(CASE WHEN target_id IS NULL AND package = '' THEN 1 END) AS beyond
        FROM import_links
    ) AS i
    CROSS JOIN (SELECT count(DISTINCT call_id) AS inside FROM call_links) AS c
"""
NODE_COUNTS = "SELECT kind, count(*) AS nodes FROM nodes GROUP BY kind ORDER BY kind"
DEGREE_STATISTICS = """
    SELECT
        kind,
        CAST(sum(out_degree) AS BIGINT) AS edges,
        avg(out_degree) AS mean_degree,
        max(in_degree) AS max_in,
        max(out_degree) AS max_out
    FROM degrees GROUP BY kind ORDER BY kind
"""
MOST_USED = """
    SELECT kind, name, in_degree
    FROM (
        SELECT
            d.kind, n.name, d.in_degree,
            row_number() OVER (PARTITION BY d.kind ORDER BY d.in_degree DESC, n.name, n.node_id) AS place
        FROM degrees AS d JOIN nodes AS n ON n.node_id = d.node_id
        WHERE d.kind <> 'contains' AND d.in_degree > 0
    )
    WHERE place <= {top}
    ORDER BY kind, place
"""
CYCLE_STATISTICS = """
    SELECT kind, count(DISTINCT component) AS cycles, count(*) AS nodes, max(size) AS largest
    FROM cycles GROUP BY kind ORDER BY kind
"""
LARGEST_CYCLES = """
    SELECT c.kind, n.name
    FROM cycles AS c JOIN nodes AS n ON n.node_id = c.node_id
    WHERE c.component = 0
    ORDER BY c.kind, c.node_id
"""
