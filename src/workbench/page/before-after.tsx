import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { hex64 } from "../../base/u64.ts";
import type { Row } from "../protocol.ts";
import { bench } from "./state.ts";
import { countText } from "./words.ts";

const MAX_ROWS = 4;

interface Sides {
  readonly event: number;
  readonly before: readonly Row[];
  readonly after: readonly Row[];
}

/** What the addresses of the chosen finding held before its event, and what after it. */
export function BeforeAfter(): ComponentChildren {
  const sides = useSignal<Sides | undefined>(undefined);
  const file = bench.active.value;
  const finding = bench.file.value?.findings.find(({ number }) => number === bench.finding.value);
  const event = finding?.events.at(-1);
  const number = bench.space.value?.number;
  const { first = 0, end = 0 } = bench.selection.value ?? {};
  const isAbout = finding?.ioba !== undefined && bench.selection.value !== undefined;
  useEffect(() => {
    sides.value = undefined;
    if (!isAbout || event === undefined || number === undefined) return;
    const rows = async (at: number): Promise<readonly Row[]> => {
      const ask = { event: at, space: number, first, end, limit: MAX_ROWS };
      return (await bench.client.ask("rows", file, ask)).rows;
    };
    let isNewest = true;
    Promise.all([rows(event - 1), rows(event)])
      .then(([before, after]) => {
        if (isNewest) sides.value = { event, before, after };
      })
      .catch(bench.failed(file));
    return () => {
      isNewest = false;
    };
  }, [file, event, number, first, end, isAbout, sides]);
  if (sides.value === undefined) return null;
  const { before, after } = sides.value;
  return (
    <table class="before-after">
      <caption>There, around event {countText(sides.value.event)} of the finding</caption>
      <tbody>
        <Side name="before" rows={before} />
        <Side name="after" rows={after} />
      </tbody>
    </table>
  );
}

const Side = ({
  name,
  rows,
}: {
  readonly name: string;
  readonly rows: readonly Row[];
}): ComponentChildren => (
  <tr>
    <th scope="row">{name}</th>
    <td>
      {rows.length === 0 && "not mapped"}
      {rows.map(({ address, pages, target, access, certainty }) => (
        <div key={`${address} ${target}`}>
          {access} {countText(pages)} {pages === 1 ? "page" : "pages"}{" "}
          {target === undefined ? certainty : `to ${hex64(target)}`}
          {certainty === "inferred" && ", inferred"}
        </div>
      ))}
    </td>
  </tr>
);
