import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { isTyping } from "../keys.ts";
import { Region } from "../parts.tsx";
import { ActTable } from "./act-table.tsx";
import { Acts } from "./acts.tsx";
import { RealWalk } from "./real-walk.tsx";
import { SPEEDS, theatre } from "./theatre-state.ts";
import { captionOf, clockText } from "./theatre-words.ts";

/** The seed's story, playable: four ways to bring the mappings of a huge window to a device. */
export function Theatre(): ComponentChildren {
  useEffect(() => {
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const story = theatre.story.value;
  const second = theatre.second.value;
  return (
    <Region name="Replay" class="replay" tools={<Choice />}>
      {theatre.failure.value !== "" && <p role="alert">{theatre.failure.value}</p>}
      {story === undefined ? (
        <p class="empty">The machines are being set up…</p>
      ) : (
        <>
          <p class="caption" aria-live={theatre.isPlaying.value ? "off" : "polite"}>
            {captionOf(story, second)}
          </p>
          <Controls />
          <Acts story={story} second={second} length={theatre.length.value} />
          <ActTable story={story} />
          <RealWalk story={story} />
          <details class="sources">
            <summary>Where the seconds are from</summary>
            <p>
              Windows, mappings, replays, notifications, map calls, and what the device reaches are those of
              the engine, which ran them in this page. Seconds are its counts times what one of them costs on
              a real system:
            </p>
            <ul>
              {story.notes.map((note) => (
                <li key={note}>{note}</li>
              ))}
            </ul>
          </details>
        </>
      )}
    </Region>
  );
}

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  const target = event.target instanceof HTMLElement ? event.target : undefined;
  // A button and a summary have the space key themselves, and a slider the arrows.
  if (event.key === " " && target?.closest("button, summary, a, input") != null) return;
  if (event.key !== " " && target?.closest("input") != null) return;
  const act: Readonly<Record<string, () => void>> = {
    " ": () => theatre.play(),
    ArrowRight: () => theatre.step(1),
    ArrowLeft: () => theatre.step(-1),
    Home: () => theatre.go(0),
    End: () => theatre.go(theatre.length.value),
  };
  const found = act[event.key];
  if (found === undefined) return;
  event.preventDefault();
  found();
}

/** Which case, under which accelerator. */
function Choice(): ComponentChildren {
  return (
    <span class="legend">
      <Toggle
        name="case"
        value={theatre.replay.value}
        options={[
          ["new-window", "a new window"],
          ["hotplug", "a device is plugged"],
        ]}
        onChoose={(value) => {
          theatre.replay.value = value;
        }}
      />
      <Toggle
        name="accelerator"
        value={theatre.accel.value}
        options={[
          ["tcg", "TCG"],
          ["kvm", "KVM"],
        ]}
        onChoose={(value) => {
          theatre.accel.value = value;
        }}
      />
    </span>
  );
}

function Toggle<Value extends string>({
  name,
  value,
  options,
  onChoose,
}: {
  readonly name: string;
  readonly value: Value;
  readonly options: readonly (readonly [Value, string])[];
  readonly onChoose: (value: Value) => void;
}): ComponentChildren {
  return (
    <fieldset class="toggle" aria-label={name}>
      {options.map(([one, words]) => (
        <button type="button" key={one} aria-pressed={one === value} onClick={() => onChoose(one)}>
          {words}
        </button>
      ))}
    </fieldset>
  );
}

function Controls(): ComponentChildren {
  const second = theatre.second.value;
  const length = theatre.length.value;
  const isPlaying = theatre.isPlaying.value;
  return (
    <div class="controls">
      <button type="button" class="main play" aria-keyshortcuts="Space" onClick={() => theatre.play()}>
        {isPlaying ? "Pause" : "Play"}
      </button>
      <button
        type="button"
        aria-label="to the beginning"
        aria-keyshortcuts="Home"
        onClick={() => theatre.go(0)}
      >
        |◂
      </button>
      <button
        type="button"
        aria-label="step back"
        aria-keyshortcuts="ArrowLeft"
        onClick={() => theatre.step(-1)}
      >
        ◂
      </button>
      <button
        type="button"
        aria-label="step on"
        aria-keyshortcuts="ArrowRight"
        onClick={() => theatre.step(1)}
      >
        ▸
      </button>
      <button
        type="button"
        aria-label="to the end"
        aria-keyshortcuts="End"
        onClick={() => theatre.go(length)}
      >
        ▸|
      </button>
      <label>
        <span class="hidden">speed</span>
        <select
          value={theatre.speed.value}
          onChange={({ currentTarget }) => {
            theatre.speed.value = Number(currentTarget.value);
          }}
        >
          {SPEEDS.map((speed) => (
            <option key={speed} value={speed}>
              {speed === 1 ? "as it is" : `${speed} times faster`}
            </option>
          ))}
        </select>
      </label>
      <label class="slider">
        <span class="hidden">Seconds of the guest</span>
        <input
          type="range"
          min={0}
          max={length}
          step="any"
          value={second}
          aria-valuetext={clockText(second)}
          onInput={({ currentTarget }) => theatre.go(Number(currentTarget.value))}
        />
      </label>
      <output class="clock">
        {clockText(second)} <span class="dim">of {clockText(length)}</span>
      </output>
    </div>
  );
}
