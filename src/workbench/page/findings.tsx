import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { FINDING_KINDS } from "../../check/findings/kinds.ts";
import type { ShownFinding } from "../protocol.ts";
import { Region } from "./parts.tsx";
import { spaceNameOf } from "./space-choice.ts";
import { bench } from "./state.ts";
import { countText, shown } from "./words.ts";

/** What is wrong, and where; choosing one moves everything else there. */
export function Findings(): ComponentChildren {
  const file = bench.file.value;
  const { value: findings } = bench.findings;
  const all = file?.findings.length ?? 0;
  const list = useRef<HTMLUListElement>(null);
  const chosen = bench.finding.value;
  useEffect(() => {
    list.current?.querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  const tools = (
    <>
      <span class="dim">
        {file?.isDone === true ? countText(all + (file?.left ?? 0)) : `${all} so far`}
        {findings.length < all && `, ${countText(findings.length)} selected`}
      </span>
      {bench.selection.value !== undefined && (
        <button
          type="button"
          class="narrow"
          aria-pressed={bench.onlySelected.value}
          onClick={() => {
            bench.onlySelected.value = !bench.onlySelected.value;
          }}
        >
          only selected
        </button>
      )}
    </>
  );
  return (
    <Region name="Findings" class="findings" tools={tools}>
      <FilterBox />
      {findings.length === 0 ? (
        <Nothing />
      ) : (
        <ul class="list" ref={list}>
          {findings.map((finding) => (
            <Item key={finding.number} finding={finding} isChosen={finding.number === chosen} />
          ))}
        </ul>
      )}
      {(file?.left ?? 0) > 0 && (
        <p class="dim">and {countText(file!.left)} more: spapr-iommu check lists all</p>
      )}
      {(file?.notJudged ?? []).length > 0 && (
        <details class="not-judged">
          <summary>Not judged ({file!.notJudged.length})</summary>
          <ul>
            {file!.notJudged.map((reason) => (
              <li key={reason}>{shown(reason)}</li>
            ))}
          </ul>
        </details>
      )}
    </Region>
  );
}

function Nothing(): ComponentChildren {
  const file = bench.file.value;
  if (file?.error !== undefined) return <p class="empty">Nothing was read.</p>;
  if (file !== undefined && file.findings.length > 0) return <p class="empty">None is in the selection.</p>;
  if (file?.isDone !== true) return <p class="empty">Nothing yet; it is being read.</p>;
  if (bench.summary.value?.isJudged === false)
    return <p class="empty">Nothing of it was judged; why stands below.</p>;
  return (
    <p class="empty">
      Nothing was found wrong{bench.filter.value === "" ? "" : " in the events that the filter takes"}.{" "}
      {file.notJudged.length > 0 ? "What could not be judged stands below." : ""}
    </p>
  );
}

function Item({
  finding,
  isChosen,
}: {
  readonly finding: ShownFinding;
  readonly isChosen: boolean;
}): ComponentChildren {
  const { kind, severity, message, count, ioba, lines } = finding;
  const place = spaceNameOf(finding);
  const line = lines.at(-1);
  return (
    <li>
      <button
        type="button"
        class={`finding is-${severity}`}
        aria-current={isChosen ? "true" : undefined}
        title={FINDING_KINDS[kind].meaning}
        onClick={() => void bench.choose(finding)}
      >
        <span class="kind">
          <span class="mark">{severity}</span> {kind}
          {count > 1 && <span class="count"> {countText(count)} times</span>}
        </span>
        <span class="message">{shown(message)}</span>
        <span class="where">
          {line !== undefined && `line ${countText(line)}`} {place !== undefined && shown(place)}{" "}
          {ioba !== undefined && `0x${ioba.toString(16)}`}
        </span>
      </button>
    </li>
  );
}

/** Events that are taken, in the grammar of `check -F`. */
function FilterBox(): ComponentChildren {
  const { value: error } = bench.filterError;
  return (
    <form
      class="filter"
      onSubmit={(event) => {
        event.preventDefault();
        const { value } = event.currentTarget.elements.namedItem("filter") as HTMLInputElement;
        void bench.setFilter(value);
      }}
    >
      <input
        name="filter"
        id="filter"
        aria-label="Filter of events, as check -F"
        aria-keyshortcuts="e"
        placeholder="filter events, as check -F"
        autocomplete="off"
        spellcheck={false}
        aria-invalid={error === "" ? undefined : "true"}
        defaultValue={bench.filter.value}
        key={`${bench.active.value} ${bench.filter.value}`}
      />
      <button type="submit">filter</button>
      {error !== "" && (
        <p class="error" role="alert">
          {shown(error)}
        </p>
      )}
    </form>
  );
}
