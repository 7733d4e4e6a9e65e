import type { ComponentChildren } from "preact";
import { type ActAt, actAt, longestCall, type Stretch, stretchesOf } from "../../maths/stage-time.ts";
import { ticksOf } from "../../maths/view.ts";
import type { Act, Story } from "../../stage-protocol.ts";
import { countText } from "../words.ts";
import { REPORTS } from "./theatre-state.ts";
import { clockText, costWords, doingText, lengthText, reportsText } from "./theatre-words.ts";

/** The acts one below the other, on one axis of time. */
export function Acts({
  story,
  second,
  length,
}: {
  readonly story: Story;
  readonly second: number;
  readonly length: number;
}): ComponentChildren {
  return (
    <div class="acts">
      <ol>
        {story.acts.map((act) => (
          <ActRow key={act.name} act={act} second={second} length={length} />
        ))}
      </ol>
      <Axis length={length} />
      <p class="legend">
        <span class="key copying">the table is copied</span>
        <span class="key walking">the window is walked</span>
        <span class="key moment">
          what Linux reports: {REPORTS.map(({ at, what }) => `${what} after ${at} s`).join(", ")}
        </span>
      </p>
    </div>
  );
}

function ActRow({
  act,
  second,
  length,
}: {
  readonly act: Act;
  readonly second: number;
  readonly length: number;
}): ComponentChildren {
  const at = actAt(act, second);
  const stretches = stretchesOf(act);
  const isLost = at.now === undefined && act.reachedAfterPut < act.mappings;
  const reports = reportsText(at);
  return (
    <li class="act">
      <div class="way">
        <h3>{act.name}</h3>
        <span class="dim">{act.whose}</span>
      </div>
      <div class="doing">
        <div class="track">
          {stretches.map((stretch) => (
            <Bar key={stretch.from} stretch={stretch} second={second} length={length} />
          ))}
          {REPORTS.filter((report) => report.at < length).map((report) => (
            <span key={report.at} class="report" style={{ left: `${(100 * report.at) / length}%` }} />
          ))}
          <span class="now" style={{ left: `${length === 0 ? 0 : (100 * second) / length}%` }} />
        </div>
        <p class="does">
          {doingText(act, at)}
          {reports !== "" && <strong class="stall">{reports}</strong>}
          {isLost && <strong class="stall">the device faults</strong>}
        </p>
        <p class="dim">{act.says}</p>
      </div>
      <Facts act={act} at={at} />
    </li>
  );
}

/** A stretch: all of it light, what is done of it dark. */
function Bar({
  stretch: { from, to, cost },
  second,
  length,
}: {
  readonly stretch: Stretch;
  readonly second: number;
  readonly length: number;
}): ComponentChildren {
  const part = (seconds: number): string => `${(100 * seconds) / length}%`;
  const done = Math.max(0, Math.min(1, (second - from) / (to - from)));
  return (
    <span
      class={cost === "tceCopied" ? "stretch copying" : "stretch walking"}
      title={`${costWords(cost)}: ${lengthText(to - from)}`}
      style={{ left: part(from), width: part(to - from) }}
    >
      <span class="done" style={{ width: `${100 * done}%` }} />
    </span>
  );
}

function Facts({ act, at }: { readonly act: Act; readonly at: ActAt }): ComponentChildren {
  const isOver = at.now === undefined;
  const reached = isOver ? act.reachedAfterPut : 0;
  return (
    <dl class="facts-of-act">
      <dt>{act.lookedAt} looked at</dt>
      <dd>{countText(at.looked)}</dd>
      <dt>of them mapped</dt>
      <dd>{countText(at.notifications)}</dd>
      <dt>guest stands still</dt>
      <dd>{lengthText(isOver ? longestCall(act) : at.stalled)}</dd>
      <dt>device reaches</dt>
      <dd class={isOver && reached < act.mappings ? "bad" : ""}>
        {isOver ? `${countText(reached)} of ${countText(act.mappings)}` : "—"}
      </dd>
    </dl>
  );
}

function Axis({ length }: { readonly length: number }): ComponentChildren {
  if (length === 0) return null;
  return (
    <div class="act-axis" aria-hidden="true">
      <div class="ticks">
        {ticksOf({ from: 0, to: length }, 6, 0).map((tick) => (
          <span key={tick} style={{ left: `${(100 * tick) / length}%` }}>
            {clockText(tick)}
          </span>
        ))}
      </div>
    </div>
  );
}
