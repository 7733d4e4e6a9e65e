import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { hex64 } from "../../base/u64.ts";
import { counted } from "../../base/units.ts";
import type { Agreement, ChangeRow } from "../protocol.ts";
import type { OpenFile } from "./open-file.ts";
import { bench } from "./state.ts";
import { countText, shown } from "./words.ts";

const MAX_CHANGES = 100;
const SAVED = "migration-stream";

/** What is otherwise at the playhead than at the mark, or than in another file. */
export function Compare(): ComponentChildren {
  const before = bench.before.value;
  return (
    <>
      {before === undefined && (
        <p class="dim">
          <button
            type="button"
            class="link"
            onClick={() => {
              bench.mark.value = bench.playhead.value;
            }}
          >
            Mark this moment
          </button>{" "}
          (M) to see what changes from it on.
        </p>
      )}
      <OtherFile />
      {before !== undefined && <Changes />}
    </>
  );
}

/** Chooses another file to compare with; a saved machine and a trace of its run are compared where they agree best. */
function OtherFile(): ComponentChildren {
  const agreement = useSignal<Agreement | undefined>(undefined);
  const file = bench.file.value;
  const other = bench.other.value;
  const files = bench.files.value.filter(
    ({ number, isDone, summary, error }) =>
      number !== file?.number && isDone && error === undefined && summary !== undefined,
  );
  if (files.length === 0 || file?.summary === undefined) return null;
  const choose = (chosen: OpenFile | undefined): void => {
    agreement.value = undefined;
    if (chosen === undefined) {
      bench.compareWith(undefined);
      return;
    }
    bench.compareWith({ file: chosen.number, event: Math.max(0, (chosen.summary?.events ?? 1) - 1) });
    findMoment(file, chosen)
      .then((found) => {
        agreement.value = found;
      })
      .catch((error: Error) => bench.say(error.message));
  };
  return (
    <div class="other">
      <label for="other-file">Compare with</label>
      <select
        id="other-file"
        value={other?.file ?? ""}
        onChange={({ currentTarget: { value } }) =>
          choose(files.find(({ number }) => String(number) === value))
        }
      >
        <option value="">no other file</option>
        {files.map(({ number, name }) => (
          <option key={number} value={number}>
            {shown(name)}
          </option>
        ))}
      </select>
      {other !== undefined && (
        <label>
          at event{" "}
          <input
            type="number"
            min={0}
            max={Math.max(0, (files.find(({ number }) => number === other.file)?.summary?.events ?? 1) - 1)}
            value={other.event}
            onChange={({ currentTarget: { valueAsNumber: event } }) => {
              if (event >= 0) bench.compareWith({ file: other.file, event });
            }}
          />
        </label>
      )}
      {other !== undefined && agreement.value !== undefined && <Agreed agreement={agreement.value} />}
    </div>
  );
}

/** Of a trace and a saved machine, goes to the moment at which they agree best; undefined for other files. */
async function findMoment(file: OpenFile, other: OpenFile): Promise<Agreement | undefined> {
  const isTrace = ({ summary }: OpenFile): boolean => summary?.format.startsWith("qemu-") === true;
  const isSaved = ({ summary }: OpenFile): boolean => summary?.format === SAVED;
  if (isTrace(file) && isSaved(other)) {
    const found = await bench.client.ask("against", file.number, { saved: other.number });
    await bench.reveal(found.event);
    return found;
  }
  if (!isSaved(file) || !isTrace(other)) return undefined;
  const found = await bench.client.ask("against", other.number, { saved: file.number });
  bench.compareWith({ file: other.number, event: found.event });
  return found;
}

const Agreed = ({
  agreement: { event, same, different, findings },
}: {
  readonly agreement: Agreement;
}): ComponentChildren => (
  <div role="status">
    <p>
      The trace and the saved machine agree best after event {countText(event)}: {countText(same)} entries are
      the same, {countText(different)} differ.
    </p>
    {findings.slice(0, 5).map((message) => (
      <p key={message} class="error">
        {shown(message)}
      </p>
    ))}
  </div>
);

function Changes(): ComponentChildren {
  const answer = useSignal<{ rows: readonly ChangeRow[]; all: number } | undefined>(undefined);
  const file = bench.active.value;
  const event = bench.playhead.value;
  const before = bench.before.value!;
  const isOther = before.file !== file;
  // A mark behind the playhead is what it leads to.
  const isBack = !isOther && before.event > event;
  useEffect(() => {
    answer.value = undefined;
    const instants = isBack
      ? { event: before.event, before: { file, event } }
      : { event, before: { file: before.file, event: before.event } };
    bench.client
      .newest("diff", "diff", file, { ...instants, limit: MAX_CHANGES })
      .then((changes) => {
        if (changes !== undefined) answer.value = changes;
      })
      .catch(bench.failed(file));
  }, [file, before.file, before.event, event, isBack, answer]);
  const { rows = [], all = 0 } = answer.value ?? {};
  const name = (number: number): string => bench.files.value.find((one) => one.number === number)?.name ?? "";
  const mark = isBack ? "up to the mark" : "since the mark";
  return (
    <details class="table changes" open>
      <summary>
        {isOther
          ? `${counted(all, "difference")} from ${shown(name(before.file))}, event ${countText(before.event)}`
          : `${counted(all, "change")} ${mark}, event ${countText(before.event)}`}
      </summary>
      {!isOther && (
        <p>
          <button
            type="button"
            class="link"
            onClick={() => {
              bench.mark.value = -1;
              if (bench.colour.value === "change") bench.colour.value = "permission";
            }}
          >
            take the mark away
          </button>
        </p>
      )}
      <table>
        <thead>
          <tr>
            <th scope="col">what</th>
            <th scope="col">space</th>
            <th scope="col">bus address</th>
            <th scope="col">pages</th>
            <th scope="col">{isOther ? shown(name(before.file)) : "before"}</th>
            <th scope="col">{isOther ? shown(name(file)) : "after"}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ what, space, address, pages, before, after }) => (
            <tr key={`${what} ${space} ${address} ${before} ${after}`} class={what}>
              <td>{what}</td>
              <td>{shown(space)}</td>
              <td class="address">{hex64(address)}</td>
              <td>{countText(pages)}</td>
              <td>{before}</td>
              <td>{after}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {all > rows.length && <p class="dim">and {countText(all - rows.length)} more: spapr-iommu diff</p>}
    </details>
  );
}
