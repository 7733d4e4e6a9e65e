import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { hex64 } from "../../base/u64.ts";
import { EVENT_CLASSES, type Row, type Totals } from "../protocol.ts";
import { BeforeAfter } from "./before-after.tsx";
import { Compare } from "./compare.tsx";
import { Address, Region } from "./parts.tsx";
import { bench } from "./state.ts";
import { bytesText, countText, pagesSize, shown } from "./words.ts";

/** What is selected: a stretch of time and of addresses, in numbers; what changed since the mark; who maps an address. */
export function SelectionPanel(): ComponentChildren {
  const selection = bench.selection.value;
  const space = bench.space.value;
  const totals = useSignal<Totals | undefined>(undefined);
  const file = bench.active.value;
  useEffect(() => {
    if (selection === undefined || space === undefined) {
      totals.value = undefined;
      return;
    }
    bench.client
      .newest("totals", "totals", file, { space: space.number, ...selection })
      .then((answer) => {
        if (answer !== undefined) totals.value = answer;
      })
      .catch(bench.failed(file));
  }, [file, space, selection, totals]);
  const tools =
    selection === undefined ? undefined : (
      <button
        type="button"
        aria-keyshortcuts="Escape"
        onClick={() => {
          bench.selection.value = undefined;
        }}
      >
        clear
      </button>
    );
  return (
    <Region name="Selection" class="selection" tools={tools}>
      {selection === undefined || space === undefined ? (
        <p class="empty">Drag in Time, click a cell of Address or a row of its table, or choose a finding.</p>
      ) : (
        <dl>
          <dt>bus addresses</dt>
          <dd>
            <Address
              value={BigInt.asUintN(64, space.start + (BigInt(selection.first) << BigInt(space.pageShift)))}
            />{" "}
            {pagesSize(selection.end - selection.first, space.pageShift)}
          </dd>
          <dt>events</dt>
          <dd>
            {countText(selection.from)} to {countText(selection.to)}
          </dd>
          {totals.value !== undefined && <TotalsList totals={totals.value} />}
        </dl>
      )}
      {selection !== undefined && space !== undefined && <Mapped />}
      <BeforeAfter />
      <Compare />
      <WhoMaps />
    </Region>
  );
}

function TotalsList({ totals }: { readonly totals: Totals }): ComponentChildren {
  const { counts, peak, ended, medianLife, longestLife } = totals;
  const count = (name: (typeof EVENT_CLASSES)[number]): string =>
    countText(counts[EVENT_CLASSES.indexOf(name)] ?? 0);
  return (
    <>
      <dt>calls</dt>
      <dd>
        {count("map")} map, {count("unmap")} unmap, {count("refused")} refused
      </dd>
      <dt>device</dt>
      <dd>
        {count("use")} uses, {count("fault")} faults
      </dd>
      <dt>peak</dt>
      <dd>{countText(peak)} pages</dd>
      <dt>lifetimes</dt>
      <dd>
        {ended === 0
          ? "none ended"
          : `${countText(ended)} ended, after ${countText(medianLife)} events (median), ${countText(longestLife)} at most`}
      </dd>
    </>
  );
}

/** What is mapped at the selected addresses at the playhead. */
function Mapped(): ComponentChildren {
  const rows = useSignal<readonly Row[]>([]);
  const file = bench.active.value;
  const event = bench.playhead.value;
  const space = bench.space.value;
  const { first = 0, end = 0 } = bench.selection.value ?? {};
  const number = space?.number ?? -1;
  useEffect(() => {
    if (number < 0) return;
    bench.client
      .newest("selected", "rows", file, { event, space: number, first, end, limit: 5 })
      .then((answer) => {
        if (answer !== undefined) rows.value = answer.rows;
      })
      .catch(bench.failed(file));
  }, [file, event, number, first, end, rows]);
  if (rows.value.length === 0) return <p class="dim">Nothing is mapped there at event {countText(event)}.</p>;
  return (
    <ul class="mapped">
      {rows.value.map(({ address, bytes, target, access, since }) => (
        <li key={`${address} ${target}`}>
          {access} {bytesText(bytes)} {target === undefined ? "unknown" : `to ${hex64(target)}`}{" "}
          {since[0] >= 0 && (
            <button type="button" class="link" onClick={() => void bench.reveal(since[0])}>
              since event {countText(since[0])}
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}

/** Who maps a place in memory. */
function WhoMaps(): ComponentChildren {
  const answer = useSignal<{ text: string; rows: readonly { space: number; row: Row }[] } | undefined>(
    undefined,
  );
  const failure = useSignal("");
  return (
    <form
      class="who"
      onSubmit={(event) => {
        event.preventDefault();
        const { value } = event.currentTarget.elements.namedItem("target") as HTMLInputElement;
        failure.value = "";
        if (!/^\s*(?:0x)?[0-9a-f]{1,16}\s*$/i.test(value)) {
          failure.value = `"${value}" is no address: write it in hexadecimal`;
          return;
        }
        const target = BigInt(`0x${value.trim().replace(/^0x/i, "")}`);
        bench.client
          .ask("who", bench.active.value, { event: bench.playhead.value, target })
          .then((rows) => {
            answer.value = { text: value.trim(), rows };
          })
          .catch((error: Error) => {
            failure.value = error.message;
          });
      }}
    >
      <label for="who-target">Who maps memory at</label>
      <input id="who-target" name="target" placeholder="0x…" autocomplete="off" spellcheck={false} />
      <button type="submit">look</button>
      {failure.value !== "" && (
        <p class="error" role="alert">
          {failure.value}
        </p>
      )}
      {answer.value !== undefined && (
        <div role="status">
          {answer.value.rows.length === 0 && (
            <p>
              Nobody maps {answer.value.text} at event {countText(bench.playhead.value)}.
            </p>
          )}
          <ul class="mapped">
            {answer.value.rows.slice(0, 20).map(({ space: number, row }) => {
              const space = bench.summary.value?.spaces.find((one) => one.number === number);
              return (
                <li key={`${number} ${row.address}`}>
                  <button
                    type="button"
                    class="link"
                    onClick={() => {
                      if (space !== undefined) bench.chooseSpace(space.name);
                      const { from = 0, to = bench.playhead.value } = bench.selection.value ?? {};
                      bench.selection.value = { from, to, first: row.first, end: row.first + row.pages };
                      bench.revealPage(row.first);
                    }}
                  >
                    {shown(space?.name ?? "")} {hex64(row.address)} {row.access}
                  </button>
                </li>
              );
            })}
          </ul>
        </div>
      )}
    </form>
  );
}
