import type { ComponentChildren } from "preact";
import { counted } from "../../base/units.ts";
import type { SpaceAt } from "../protocol.ts";
import { Region } from "./parts.tsx";
import { Spark, useSparks } from "./spark.tsx";
import { bench } from "./state.ts";
import { countText, pagesSize, shown } from "./words.ts";

const BRIDGE_LIOBN = 0x8000_0000;

/** Whose a space is: the bridge of a window by its LIOBN. */
function ownerOf({ kind, name }: SpaceAt): string {
  if (kind === "device") return "devices";
  const liobn = Number(name);
  if (!(liobn >= BRIDGE_LIOBN)) return kind === "table" ? "tables" : "virtual I/O";
  return `bridge ${(liobn - BRIDGE_LIOBN) >>> 8}`;
}

/** Machine, bridges, windows and devices at the playhead. */
export function Structure(): ComponentChildren {
  useSparks();
  const { value: spaces } = bench.spacesAt;
  const owners = new Map<string, SpaceAt[]>();
  for (const space of spaces) owners.set(ownerOf(space), [...(owners.get(ownerOf(space)) ?? []), space]);
  const gone = (bench.summary.value?.spaces ?? []).filter(
    ({ number, name }, i, all) =>
      !spaces.some((one) => one.name === name) &&
      all.findIndex((one) => one.name === name) === i &&
      number >= 0,
  );
  return (
    <Region name="Structure" class="structure">
      {spaces.length === 0 && gone.length === 0 && <p class="empty">No window or device is there yet.</p>}
      <ul class="tree">
        {[...owners].map(([owner, members]) => (
          <li key={owner}>
            <span class="owner">{owner}</span>
            <ul>
              {members.map((space) => (
                <li key={space.number}>
                  <SpaceButton space={space} />
                </li>
              ))}
            </ul>
          </li>
        ))}
        {gone.length > 0 && (
          <li>
            <span class="owner">not there at the playhead</span>
            <ul>
              {gone.map(({ name }) => (
                <li key={name}>
                  <button
                    type="button"
                    class="space"
                    aria-pressed={name === bench.spaceName.value}
                    onClick={() => bench.chooseSpace(name)}
                  >
                    <span>{shown(name)}</span>
                  </button>
                </li>
              ))}
            </ul>
          </li>
        )}
      </ul>
    </Region>
  );
}

function SpaceButton({ space }: { readonly space: SpaceAt }): ComponentChildren {
  const { name, kind, lane, mapped, inferred, unknown, pages, pageShift, assumed } = space;
  const part = pages === 0 ? 0 : mapped / pages;
  return (
    <button
      type="button"
      class="space"
      aria-pressed={name === bench.spaceName.value}
      onClick={() => bench.chooseSpace(name)}
    >
      <span class="name">{shown(name)}</span>
      <span class="numbers">
        {kind === "device"
          ? counted(mapped, "page")
          : `${countText(mapped)} / ${countText(pages)} of ${pagesSize(1, pageShift)}`}
      </span>
      <Spark lane={lane} />
      {kind !== "device" && (
        <meter
          class="filling"
          min={0}
          max={1}
          value={part > 0 ? Math.max(0.02, part) : 0}
          aria-label={`${countText(mapped)} of ${countText(pages)} pages are mapped`}
        />
      )}
      {(inferred > 0 || unknown > 0 || assumed.length > 0) && (
        <span class="unsure">
          {[
            inferred > 0 ? `${countText(inferred)} inferred` : "",
            unknown > 0 ? `${countText(unknown)} unknown` : "",
            assumed.length > 0 ? `${assumed.join(", ")} assumed` : "",
          ]
            .filter((text) => text !== "")
            .join("; ")}
        </span>
      )}
    </button>
  );
}
