import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { type Permission, permText } from "../../base/permission.ts";
import { formatSize, formatTime } from "../../base/units.ts";
import { LANE_HEIGHT, lanePicture } from "../draw/lane-picture.ts";
import type { LiveNow } from "../served.ts";
import { CanvasRenderer } from "./canvas-renderer.ts";
import { Files } from "./files.tsx";
import type { LiveSession } from "./live-state.ts";
import { palette } from "./palette.ts";
import { Region, useSize } from "./parts.tsx";
import { bench } from "./state.ts";
import { countText, shown } from "./words.ts";

/** A running QEMU: what it does now, and what was found. */
export function LiveView({ session }: { readonly session: LiveSession }): ComponentChildren {
  const now = session.now.value;
  return (
    <main class="live-page">
      <Files />
      <State session={session} />
      {now === undefined ? (
        <p class="empty">{session.ended.value === "" ? "Waiting for QEMU…" : "Nothing was told."}</p>
      ) : (
        <>
          <Rates session={session} />
          <Windows now={now} />
          <LiveFindings now={now} />
          <Alive now={now} />
        </>
      )}
    </main>
  );
}

function State({ session }: { readonly session: LiveSession }): ComponentChildren {
  const failure = useSignal("");
  const { value: attached } = session.attached;
  const { value: now } = session.now;
  const { value: ended } = session.ended;
  const { value: dropped } = session.dropped;
  const following = session.isHeld.value ? "held" : attached === undefined ? "attaching" : "live";
  const word = ended !== "" ? "ended" : following;
  return (
    <Region
      name="Live"
      class="live-state"
      tools={
        <span class="legend">
          <button type="button" aria-pressed={session.isHeld.value} onClick={() => session.hold()}>
            pause
          </button>
          <button
            type="button"
            disabled={attached === undefined}
            onClick={() => {
              failure.value = "";
              session
                .logNow()
                .then((log) => bench.open([log]))
                .catch((error: Error) => {
                  failure.value = error.message;
                });
            }}
          >
            open the log as it is now
          </button>
        </span>
      }
    >
      <p>
        <span class={`badge is-${word}`}>{word}</span>{" "}
        {attached !== undefined &&
          `QEMU ${shown(attached.qemu)}, log ${shown(attached.log)}, known to begin with: ${attached.base.kind}`}
      </p>
      {now !== undefined && (
        <p class="dim">
          {countText(now.events)} events in {formatTime(now.seconds)}, {countText(now.eventsPerSecond)} a
          second
          {now.lag.bytes > 0 && `, ${formatSize(BigInt(now.lag.bytes))} not yet read`}
          {dropped > 0 && `; this page was too slow for ${countText(dropped)} states`}
        </p>
      )}
      {ended !== "" && <p role="status">{shown(ended)}</p>}
      {failure.value !== "" && <p role="alert">{failure.value}</p>}
    </Region>
  );
}

/** What happened between states, by window. */
function Rates({ session }: { readonly session: LiveSession }): ComponentChildren {
  const { ref, width } = useSize();
  const canvas = useRef<HTMLCanvasElement>(null);
  const renderer = useRef<CanvasRenderer>(undefined);
  const colours = palette.value;
  const { lanes, names } = session.lanes.value;
  const picture = useMemo(
    () => lanePicture(lanes, names, width, { lanes: names.map((_, i) => i), classes: bench.classes.value }),
    [lanes, names, width, bench.classes.value],
  );
  useEffect(() => {
    if (width === 0 || canvas.current === null) return;
    renderer.current ??= new CanvasRenderer(canvas.current);
    renderer.current.draw(picture);
  }, [picture, width, colours]);
  return (
    <Region
      name="Time"
      class="time"
      tools={
        <span class="legend">
          <span class="key occupancy">mapped</span>
          <span class="key map">maps</span>
          <span class="key unmap">unmaps</span>
          <span class="key use">used</span>
        </span>
      }
    >
      <div class="canvas-box" ref={ref}>
        <canvas
          ref={canvas}
          style={{ width: "100%", height: `${Math.max(LANE_HEIGHT, picture.height)}px` }}
        />
      </div>
    </Region>
  );
}

interface Column<Row> {
  readonly head: string;
  readonly isNumber?: boolean;
  readonly cell: (row: Row) => string;
}

const number = <Row,>(head: string, of: (row: Row) => number): Column<Row> => ({
  head,
  isNumber: true,
  cell: (row) => countText(of(row)),
});

function Table<Row>({
  label,
  columns,
  rows,
  none,
  kindOf = () => "",
}: {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly none: string;
  readonly kindOf?: (row: Row) => string;
}): ComponentChildren {
  if (rows.length === 0) return <p class="empty">{none}</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
    <section class="live-table" tabIndex={0} aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map(({ head, isNumber }) => (
              <th scope="col" key={head} class={isNumber === true ? "number" : ""}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i} class={kindOf(row)}>
              {columns.map(({ head, isNumber, cell }) => (
                <td key={head} class={isNumber === true ? "number" : ""}>
                  {shown(cell(row))}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

type WindowRow = LiveNow["windows"][number] & { readonly traffic: LiveNow["traffic"][number] | undefined };

const WINDOWS: readonly Column<WindowRow>[] = [
  { head: "window", cell: ({ liobn }) => liobn },
  { head: "starts at", cell: ({ busOffset, assumed }) => `${busOffset}${assumed ? " (assumed)" : ""}` },
  { head: "page", isNumber: true, cell: ({ pageShift }) => formatSize(1n << BigInt(pageShift)) },
  number("entries", ({ entries }) => entries),
  number("mapped", ({ mapped }) => mapped),
  {
    head: "used",
    isNumber: true,
    cell: ({ mapped, entries }) => `${((mapped / Math.max(1, entries)) * 100).toFixed(1)} %`,
  },
  number("maps/s", ({ traffic }) => traffic?.mappedPerSecond ?? 0),
  number("unmaps/s", ({ traffic }) => traffic?.unmappedPerSecond ?? 0),
  number("DMAs/s", ({ traffic }) => traffic?.translatedPerSecond ?? 0),
  number("inferred", ({ certainty }) => certainty.inferred),
  number("unknown", ({ certainty }) => certainty.unknown),
];

function Windows({ now }: { readonly now: LiveNow }): ComponentChildren {
  const byName = new Map(now.traffic.map((one) => [one.liobn, one]));
  const rows = now.windows.map((window) => ({ ...window, traffic: byName.get(window.liobn) }));
  return (
    <Region name="Structure" class="live-windows">
      <Table label="Windows" columns={WINDOWS} rows={rows} none="No window is known yet." />
    </Region>
  );
}

interface FindingRow {
  readonly severity: "error" | "warning";
  readonly kind: string;
  readonly liobn: string | null;
  readonly ioba: string | null;
  readonly count: number;
  readonly line: number | null;
  readonly message: string;
}

const FINDINGS: readonly Column<FindingRow>[] = [
  { head: "severity", cell: ({ severity }) => severity },
  { head: "finding", cell: ({ kind }) => kind },
  { head: "window", cell: ({ liobn }) => liobn ?? "" },
  { head: "address", cell: ({ ioba }) => ioba ?? "" },
  number("times", ({ count }) => count),
  { head: "line", isNumber: true, cell: ({ line }) => (line === null ? "" : countText(line)) },
  { head: "what", cell: ({ message }) => message },
];

/** What is not known stands first, so that nobody overlooks it. */
const doubtRow = (message: string): FindingRow => ({
  severity: "error",
  kind: "not known",
  liobn: null,
  ioba: null,
  count: 1,
  line: null,
  message,
});

function LiveFindings({ now }: { readonly now: LiveNow }): ComponentChildren {
  const { findings, doubts, counts } = now;
  const all = findings.errors + findings.warnings + findings.dropped;
  const rows = [...doubts.map(doubtRow), ...findings.last.toReversed()];
  return (
    <Region name="Findings" class="live-findings" tools={<span class="dim">{countText(all)}</span>}>
      <Table
        label="Findings so far"
        columns={FINDINGS}
        rows={rows}
        none="Nothing was found so far. That something is never unmapped shows at the end."
        kindOf={({ severity }) => `is-${severity}`}
      />
      {all > findings.last.length && (
        <p class="dim">and {countText(all - findings.last.length)} earlier ones: check the log</p>
      )}
      {counts.mismatches > 0 && (
        <p class="error">{countText(counts.mismatches)} answers of QEMU are not those of the engine</p>
      )}
    </Region>
  );
}

const ALIVE: readonly Column<NonNullable<LiveNow["alive"]>["patterns"][number]>[] = [
  { head: "alive in", cell: ({ liobn }) => liobn },
  number("pages", ({ pages }) => pages),
  { head: "access", cell: ({ perm }) => permText(perm as Permission) },
  number("count", ({ count }) => count),
  { head: "bytes", isNumber: true, cell: ({ bytes }) => formatSize(BigInt(bytes)) },
  { head: "oldest", isNumber: true, cell: ({ oldest }) => formatTime(oldest.seconds) },
  { head: "at", cell: ({ oldest }) => oldest.ioba },
  number("event", ({ oldest }) => oldest.event),
];

function Alive({ now: { alive } }: { readonly now: LiveNow }): ComponentChildren {
  return (
    <Region name="Alive" class="live-alive">
      {alive === null ? (
        <p class="empty">Too many mappings are alive to be kept apart.</p>
      ) : (
        <>
          <Table
            label="Mappings that are alive"
            columns={ALIVE}
            rows={alive.patterns}
            none="Nothing was seen to be mapped that is not unmapped."
          />
          {(alive.more > 0 || alive.earlierPages > 0) && (
            <p class="dim">
              {countText(alive.more)} more kinds; {countText(alive.earlierPages)} pages were mapped before
            </p>
          )}
        </>
      )}
    </Region>
  );
}
