import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo } from "preact/hooks";
import { LANE_HEIGHT, lanePicture } from "../draw/lane-picture.ts";
import { panned, pixelOf, ticksOf, valueAt, zoomed } from "../maths/view.ts";
import { EVENT_CLASSES, type EventClass, type Lanes } from "../protocol.ts";
import { brush } from "./brush.ts";
import { Region, useSize } from "./parts.tsx";
import { usePicture } from "./pictures.ts";
import { bench } from "./state.ts";
import { TableDetails } from "./table-details.tsx";
import { countText, secondsText, shown } from "./words.ts";

/** What the legend calls classes of events. */
const CLASS_WORDS: Readonly<Record<EventClass, string>> = {
  map: "maps",
  unmap: "unmaps",
  use: "used",
  fault: "faults",
  refused: "refused",
  moment: "windows change",
  other: "other",
};

const LEGEND: readonly EventClass[] = ["map", "unmap", "use", "fault", "refused", "moment"];

/** Lanes of what happened, by window or device, with the playhead. */
export function TimeView(): ComponentChildren {
  const { ref, width } = useSize();
  const lanes = useSignal<Lanes | undefined>(undefined);
  const view = bench.view.value;
  const axis = bench.axis.value;
  const events = bench.events.value;
  const file = bench.active.value;
  const columns = Math.max(1, Math.floor(width));

  useLayoutEffect(() => {
    if (events === 0 || width === 0) return;
    bench.client
      .newest("lanes", "lanes", file, { axis, from: view.from, to: view.to, columns })
      .then((answer) => {
        if (answer !== undefined) lanes.value = answer;
      })
      .catch(bench.failed(file));
  }, [file, axis, view.from, view.to, columns, events, width, lanes]);

  const names = bench.summary.value?.lanes ?? [];
  const picture = useMemo(() => {
    const { value } = lanes;
    if (value === undefined || width === 0) return undefined;
    const count = value.mapped.length / value.columns;
    const shownLanes = Array.from({ length: count }, (_, i) => i);
    return lanePicture(value, names.map(shown), width, { lanes: shownLanes, classes: bench.classes.value });
  }, [lanes.value, width, bench.classes.value]);
  const canvas = usePicture("Time", picture);

  const height = Math.max(LANE_HEIGHT, picture?.height ?? LANE_HEIGHT);
  return (
    <Region name="Time" class="time" tools={<Legend />}>
      <div
        class="canvas-box"
        ref={ref}
        onWheel={(event) => onWheel(event, width)}
        onPointerDown={(event) =>
          brush(event, {
            go: ({ x }) => goTo(valueAt(bench.view.value, width, x)),
            select: (from, to) => {
              const place = (x: number): number => valueAt(bench.view.value, width, x);
              bench.select(place(from.x), place(to.x)).catch(bench.failed(file));
            },
          })
        }
      >
        <canvas ref={canvas} style={{ width: "100%", height: `${height}px` }} />
        <SelectionMark width={width} />
        <Playhead width={width} />
        {events === 0 && (
          <p class="empty over">{bench.file.value?.isDone === true ? "No event." : "Reading…"}</p>
        )}
      </div>
      <AxisTicks width={width} />
      <div class="foot">
        <label class="slider">
          <span class="hidden">Playhead: event</span>
          <input
            type="range"
            min={0}
            max={Math.max(0, events - 1)}
            value={bench.playhead.value}
            aria-valuetext={`event ${countText(bench.playhead.value)}`}
            onInput={({ currentTarget }) => void bench.reveal(Number(currentTarget.value))}
          />
        </label>
        {lanes.value !== undefined && <LaneDetails lanes={lanes.value} names={names} />}
      </div>
    </Region>
  );
}

function onWheel(event: WheelEvent & { readonly currentTarget: HTMLElement }, width: number): void {
  const { left } = event.currentTarget.getBoundingClientRect();
  const { value: view } = bench.view;
  const whole = bench.whole.value;
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    const around = valueAt(view, width, event.clientX - left);
    bench.timeView.value = zoomed(view, whole, around, 2 ** (event.deltaY / 200), leastOf());
  } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    bench.timeView.value = panned(view, whole, (event.deltaX || event.deltaY) / width);
  }
}

/** What a picture shows at least: some events, or the time that these take. */
const leastOf = (): number =>
  bench.axis.value === "event" ? 8 : (8 * bench.whole.value.to) / Math.max(8, bench.events.value);

/** Moves the playhead to a place of the axis. */
export function goTo(place: number): void {
  const file = bench.active.value;
  bench
    .eventOf(place)
    .then((event) => bench.go(event))
    .catch(bench.failed(file));
}

/** Where on the picture an event stands; undefined while nobody knows. */
export function usePlace(event: number | undefined): number | undefined {
  const place = useSignal<number | undefined>(undefined);
  const axis = bench.axis.value;
  const file = bench.active.value;
  useEffect(() => {
    if (event === undefined) place.value = undefined;
    else if (axis === "event") place.value = event;
    else
      bench
        .placeOf(event)
        .then((value) => {
          place.value = value;
        })
        .catch(bench.failed(file));
  }, [event, axis, file, place]);
  return axis === "event" ? event : place.value;
}

export function Playhead({ width }: { readonly width: number }): ComponentChildren {
  const at = usePlace(bench.playhead.value);
  const view = bench.view.value;
  if (at === undefined || width === 0 || at < view.from || at > view.to) return null;
  return <div class="playhead" style={{ transform: `translateX(${pixelOf(view, width, at)}px)` }} />;
}

/** The selected stretch of time; with a band, as high as the addresses that are selected. */
export function SelectionMark({
  width,
  band,
}: {
  readonly width: number;
  readonly band?: readonly [top: number, bottom: number] | undefined;
}): ComponentChildren {
  const selection = bench.selection.value;
  const from = usePlace(selection?.from);
  const to = usePlace(selection?.to);
  const view = bench.view.value;
  if (from === undefined || to === undefined || width === 0) return null;
  const left = Math.max(0, pixelOf(view, width, from));
  const right = Math.min(width, pixelOf(view, width, to));
  if (right < 0 || left > width) return null;
  const [top, bottom] = band ?? [];
  const height =
    top === undefined ? {} : { top: `${top}px`, bottom: "auto", height: `${Math.max(2, bottom! - top)}px` };
  return (
    <div class="selected" style={{ left: `${left}px`, width: `${Math.max(2, right - left)}px`, ...height }} />
  );
}

export function AxisTicks({ width }: { readonly width: number }): ComponentChildren {
  const view = bench.view.value;
  const isTime = bench.axis.value === "time";
  const ticks = ticksOf(view, Math.max(2, Math.floor(width / 110)), isTime ? 0 : 1);
  return (
    <div class="ticks" aria-hidden="true">
      {ticks.map((tick) => (
        <span key={tick} style={{ left: `${pixelOf(view, width, tick)}px` }}>
          {isTime ? secondsText(tick) : countText(Math.round(tick))}
        </span>
      ))}
    </div>
  );
}

/** Names the colours, and takes them away. */
function Legend(): ComponentChildren {
  const shownClasses = bench.classes.value;
  const hasTimes = Number.isFinite(bench.summary.value?.seconds);
  return (
    <span class="legend">
      <span class="key occupancy">mapped</span>
      {LEGEND.map((name) => (
        <button
          type="button"
          key={name}
          class={`key ${name}`}
          aria-pressed={shownClasses.has(name)}
          onClick={() => {
            const next = new Set(shownClasses);
            if (!next.delete(name)) next.add(name);
            bench.classes.value = next;
          }}
        >
          {CLASS_WORDS[name]}
        </button>
      ))}
      {hasTimes && (
        <button
          type="button"
          onClick={() => {
            bench.timeView.value = undefined;
            bench.axis.value = bench.axis.value === "time" ? "event" : "time";
          }}
        >
          by {bench.axis.value === "time" ? "events" : "time"}
        </button>
      )}
    </span>
  );
}

/** The same as a table: what each lane has in the stretch that is shown. */
function LaneDetails({
  lanes,
  names,
}: {
  readonly lanes: Lanes;
  readonly names: readonly string[];
}): ComponentChildren {
  const count = lanes.mapped.length / lanes.columns;
  const sum = (lane: number, kind: number): number => {
    const from = (lane * EVENT_CLASSES.length + kind) * lanes.columns;
    return lanes.counts.subarray(from, from + lanes.columns).reduce((a, b) => a + b, 0);
  };
  return (
    <TableDetails>
      {() => (
        <table>
          <thead>
            <tr>
              <th scope="col">lane</th>
              {EVENT_CLASSES.map((name) => (
                <th scope="col" key={name}>
                  {CLASS_WORDS[name]}
                </th>
              ))}
              <th scope="col">pages mapped at its end</th>
            </tr>
          </thead>
          <tbody>
            {Array.from({ length: count }, (_, lane) => (
              <tr key={names[lane]}>
                <th scope="row">{shown(names[lane] ?? "")}</th>
                {EVENT_CLASSES.map((name, kind) => (
                  <td key={name}>{countText(sum(lane, kind))}</td>
                ))}
                <td>{countText(lanes.mapped[(lane + 1) * lanes.columns - 1] ?? 0)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </TableDetails>
  );
}
