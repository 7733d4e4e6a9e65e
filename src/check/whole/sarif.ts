import { hex } from "../../base/u64.ts";
import type { Finding } from "../findings/finding.ts";
import type { FindingStack } from "../findings/finding-stack.ts";
import { FINDING_KINDS, type FindingKind } from "../findings/kinds.ts";
import type { CheckReport } from "../report.ts";

/** Lines that one result names, the first of them as its place. */
const MAX_PLACES = 20;

/**
 * Reports of checks as a SARIF 2.1.0 log, which CI systems show beside the
 * files: a rule for each kind of finding that occurs, a result for each
 * finding. Files without lines (binary traces, saved machines) have byte offsets.
 *
 * @param version of the tool
 * @public
 */
export function reportsToSarif(reports: readonly CheckReport[], version: string): Record<string, unknown> {
  const kinds = [...new Set(reports.flatMap(({ findings }) => findings.map(({ kind }) => kind)))].sort();
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "spapr-iommu", version, rules: kinds.map(ruleOf) } },
        columnKind: "utf16CodeUnits",
        results: reports.flatMap((report) =>
          report.findings.map((finding) => resultOf(report, finding, kinds)),
        ),
      },
    ],
  };
}

/** Frames of the kernel: which file a function stands in is not recorded. */
const stackOf = ({ call, line, frames }: FindingStack): Record<string, unknown> => ({
  message: { text: `${call} (line ${line})` },
  frames: frames.map((frame) => ({ location: { logicalLocations: [{ fullyQualifiedName: frame }] } })),
});

function ruleOf(kind: FindingKind): Record<string, unknown> {
  const { severity, meaning, advice } = FINDING_KINDS[kind];
  return {
    id: kind,
    shortDescription: { text: meaning.split(/(?<=\.) /)[0] },
    fullDescription: { text: meaning },
    help: { text: advice },
    defaultConfiguration: { level: severity },
  };
}

function resultOf(
  { file, format }: CheckReport,
  finding: Finding,
  kinds: readonly FindingKind[],
): Record<string, unknown> {
  const { kind, severity, liobn, device, ioba, pages, count, events, stack, message } = finding;
  const isBinary = format === "qemu-simple" || format === "migration-stream";
  const placeOf = (line: number): Record<string, unknown> => ({
    physicalLocation: {
      artifactLocation: { uri: encodeURI(file) },
      region: isBinary ? { byteOffset: line, byteLength: 0 } : { startLine: line },
    },
  });
  const [first, ...others] = finding.lines.slice(0, MAX_PLACES).map(placeOf);
  return {
    ruleId: kind,
    ruleIndex: kinds.indexOf(kind),
    level: severity,
    message: { text: message },
    locations: [first ?? { physicalLocation: { artifactLocation: { uri: encodeURI(file) } } }],
    ...(others.length === 0 ? {} : { relatedLocations: others }),
    ...(stack.length === 0 ? {} : { stacks: stack.map(stackOf) }),
    occurrenceCount: count,
    properties: {
      liobn: liobn === undefined ? null : hex(liobn),
      device: device ?? null,
      ioba: ioba === undefined ? null : hex(ioba),
      pages,
      events,
    },
  };
}
