/**
 * The tool on artifacts: checks traces and saved machines, rebuilds windows, makes tables of events and mappings.
 *
 * Each call takes a whole input: its text, its bytes (packed or not), a `Blob` or a stream. Nothing here reads
 * files.
 *
 * @module
 */

export { type CheckOptions, DEFAULT_CHECK_OPTIONS } from "./check-options.ts";
export { type Finding, findingToJson, formatFinding } from "./findings/finding.ts";
export { type FindingStack, formatStack, framesText } from "./findings/finding-stack.ts";
export type { Judged, NotJudged } from "./findings/judged.ts";
export { FINDING_KINDS, type FindingKind, type FindingKindInfo, type Severity } from "./findings/kinds.ts";
export type { Place } from "./findings/place.ts";
export {
  type ForecastWindow,
  forecastMigration,
  forecastToJson,
  formatForecast,
  type WindowForecast,
} from "./forecast/forecast.ts";
export type { Histogram } from "./lifetimes/histogram.ts";
export { DMA_MAPPING_COLUMNS } from "./lifetimes/linux-rows.ts";
export type { StackStatistics, StackWeight } from "./lifetimes/linux-stacks.ts";
export type { DmaGroupStatistics } from "./lifetimes/linux-statistics.ts";
export type { PagePhase } from "./lifetimes/page-phases.ts";
export { MAPPING_COLUMNS } from "./lifetimes/qemu-rows.ts";
export type { WindowStatistics } from "./lifetimes/qemu-statistics.ts";
export type { BouncedMaps } from "./linux/bounces.ts";
export type { DeviceTally } from "./linux/device-tally.ts";
export type { LostOnCpu } from "./linux/lost-events.ts";
export {
  type AliveGroup,
  type AliveMapping,
  type AliveOrder,
  diffSpaces,
  GROUP_KEYS,
  type GroupKey,
  groupAlive,
  type SpaceChange,
  type SpaceState,
} from "./lives/alive.ts";
export type { AddressRange, Life, LifeCall, LifeStretch, UseKind } from "./lives/life.ts";
export type { WhoEnd, WhoLife, WhoNeighbour, WhoQuery, WhoSpace, WhoUse } from "./lives/who.ts";
export type { HostWindow } from "./qemu/host-side.ts";
export type { Mismatch } from "./rebuild/mismatch.ts";
export type { EntryClasses } from "./rebuild/rebuilt-window.ts";
export type { RebuildCounts } from "./rebuild/verdicts.ts";
export type { WindowRecord } from "./rebuild/window-records.ts";
export { type CheckReport, checkReportToJson } from "./report.ts";
export {
  type AgainstCheckReport,
  type AgainstReport,
  againstReportToJson,
  sumOfAgreements,
} from "./saved/against-check.ts";
export type { WindowAgreement } from "./saved/against-entries.ts";
export {
  formatMoment,
  type Moment,
  type MomentTime,
  momentToJson,
  parseMoment,
  type ShownMoment,
} from "./state/moment.ts";
export {
  changeToJson,
  diffStates,
  forEachStateRun,
  rawEntries,
  type StateRun,
  stateToJson,
  type WindowChange,
  type WindowState,
  windowStateToJson,
} from "./state/window-state.ts";
export { type AliveAnswer, aliveAt, aliveMappingToJson, aliveToJson } from "./whole/alive-at.ts";
export { blankMachine } from "./whole/blank-machine.ts";
export { type CheckAgainstOptions, checkAgainst } from "./whole/check-against.ts";
export { type CheckTraceOptions, checkTrace } from "./whole/check-trace.ts";
export type { ConversionOptions, ConversionSummary } from "./whole/conversion.ts";
export type { FollowOptions } from "./whole/follow-lives.ts";
export type {
  FilterOptions,
  InputOptions,
  ReadInputOptions,
  WindowsOptions,
} from "./whole/input-options.ts";
export { type KnownDevices, knownDevices } from "./whole/known-devices.ts";
export { knownWindows } from "./whole/known-windows.ts";
export {
  type MeasureOptions,
  measuresToJson,
  measureTrace,
  type TraceMeasures,
} from "./whole/measure-trace.ts";
export { reportsToSarif } from "./whole/sarif.ts";
export { type ShrinkOptions, type ShrunkTrace, shrinkTrace } from "./whole/shrink-trace.ts";
export {
  type Cell,
  type Row,
  readTable,
  type TableOptions,
  writeTable,
  writeTimeline,
} from "./whole/tables.ts";
export { type WhoAnswer, whoMaps, whoToJson } from "./whole/who-maps.ts";
export {
  type RecordedState,
  type SavedSource,
  statesAtMoments,
  type WindowsAtOptions,
  windowsAt,
  windowsAtMoments,
} from "./whole/windows-at.ts";
