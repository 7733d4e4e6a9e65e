import type { ComponentChildren } from "preact";
import type { Refusal } from "../../../spapr/observer.ts";
import type { ChangeRow } from "../../protocol.ts";
import type { ScriptStep, Some, Told } from "../../stage-protocol.ts";
import { countText, shown } from "../words.ts";

/** Steps that are shown; a longer run is looked at as a recording. */
const MAX_SHOWN = 500;

/** A result that is no longer, such as `{"ret":-4}`, is all said by the answer. */
const SAID_LENGTH = 16;

/** What came of each operation. */
export function Steps({
  steps,
  onLine,
}: {
  readonly steps: readonly ScriptStep[];
  readonly onLine: (line: number) => void;
}): ComponentChildren {
  return (
    <>
      <ol class="steps" aria-label="Answers">
        {steps.slice(0, MAX_SHOWN).map((step) => (
          <Step key={step.line} step={step} onLine={onLine} />
        ))}
      </ol>
      {steps.length > MAX_SHOWN && (
        <p class="dim">and {countText(steps.length - MAX_SHOWN)} more: open it as a recording</p>
      )}
    </>
  );
}

function Step({
  step,
  onLine,
}: {
  readonly step: ScriptStep;
  readonly onLine: (line: number) => void;
}): ComponentChildren {
  const { line, op, answer, isRefused, refusals, faults, hazards, changes, result } = step;
  return (
    <li class={isRefused ? "step is-refused" : "step"}>
      <button type="button" class="link line-number" aria-label={`line ${line}`} onClick={() => onLine(line)}>
        {line}
      </button>
      <div class="came">
        <p>
          <span class="op">{shown(op)}</span> <span class="answer">{shown(answer)}</span>
        </p>
        {refusals.map((refusal, i) => (
          <Why key={`${refusal.id} ${i}`} refusal={refusal} />
        ))}
        {[...new Set(faults)].map((fault) => (
          <p class="why" key={fault}>
            {shown(fault)}
          </p>
        ))}
        {hazards.map((hazard) => (
          <p class="hazard" key={hazard}>
            no defined answer in a real system: {shown(hazard)}
          </p>
        ))}
        <Changes changes={changes} />
        <Heard step={step} />
        {result.length > SAID_LENGTH && (
          <details>
            <summary>result</summary>
            <code>{shown(result)}</code>
          </details>
        )}
      </div>
    </li>
  );
}

/** Who else heard of it: the kernel, QEMU's notifiers, devices behind vfio-user, the host. */
function Heard({
  step: { op, told, messages, host, servedByKernel },
}: {
  readonly step: ScriptStep;
}): ComponentChildren {
  return (
    <>
      {servedByKernel && (
        <p class="dim">
          served by the kernel (KVM), which changes the host's table itself; QEMU does not hear of it
        </p>
      )}
      {/* The test device of the recordings puts a page of its own into a window while it transfers. */}
      {op.startsWith("dma_") && told.all > 0 ? (
        <p class="dim">
          notifiers told {countText(told.all)} times, of the page through which the test device is filled
        </p>
      ) : (
        <Lines of={told} words={toldText} />
      )}
      <Lines of={messages} words={(message) => `sent to ${shown(message)}`} />
      {host.length > 0 && <p class="dim">asked of the host: {host.join(", ")}</p>}
    </>
  );
}

/** Some of many, a line each. */
function Lines<Item>({
  of: { first, all },
  words,
}: {
  readonly of: Some<Item>;
  readonly words: (item: Item) => string;
}): ComponentChildren {
  if (all === 0) return null;
  return (
    <ul class="told dim">
      {first.map(words).map((text) => (
        <li key={text}>{text}</li>
      ))}
      {all > first.length && <li>and {countText(all - first.length)} more</li>}
    </ul>
  );
}

const toldText = ({ ioba, pages, perm, target }: Told): string =>
  perm === ""
    ? `notifiers told: unmap ${hexText(ioba)} ${pagesText(pages)}`
    : `notifiers told: map ${hexText(ioba)} ${pagesText(pages)} → ${hexText(target)} ${perm}`;

function Why({ refusal: { call, rule, id, values } }: { readonly refusal: Refusal }): ComponentChildren {
  const parts = Object.entries(values).map(([name, value]) => `${name} ${value}`);
  return (
    <p class="why">
      {shown(call)}: {shown(rule)} <span class="rule">{id}</span>
      {parts.length > 0 && <span class="values">{shown(parts.join(", "))}</span>}
    </p>
  );
}

const SIGNS: Readonly<Record<ChangeRow["what"], string>> = {
  created: "+",
  removed: "−",
  "not-compared": "?",
  mapped: "+",
  unmapped: "−",
  changed: "~",
};

function Changes({ changes: { first, all } }: { readonly changes: Some<ChangeRow> }): ComponentChildren {
  if (all === 0) return null;
  return (
    <ul class="changes">
      {first.map((change) => (
        <li key={`${change.what} ${change.space} ${change.address}`} class={change.what}>
          <span class="sign">{SIGNS[change.what]}</span> {changeText(change)}
        </li>
      ))}
      {all > first.length && <li class="dim">and {countText(all - first.length)} more</li>}
    </ul>
  );
}

const hexText = (value: bigint): string => `0x${value.toString(16)}`;

function changeText({ what, space, address, pages, before, after }: ChangeRow): string {
  const at = hexText(address);
  if (what === "created" || what === "removed")
    return `window ${shown(space)} at ${at}, ${countText(pages)} entries, ${what}`;
  return `${at} ${pages === 1 ? "" : `+ ${pagesText(pages)} `}in ${shown(space)}: ${before} → ${after}`;
}

const pagesText = (pages: number): string => (pages === 1 ? "1 page" : `${countText(pages)} pages`);
