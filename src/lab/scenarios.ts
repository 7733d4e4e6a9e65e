import { IommuError } from "../base/errors.ts";
import { hotplug } from "./hotplug.ts";
import { hugeWindow } from "./huge-window.ts";
import { lazyReplay } from "./lazy-replay.ts";
import { linuxBoot } from "./linux-boot.ts";
import { linuxGuest } from "./linux-guest.ts";
import { memlock } from "./memlock.ts";
import { remap } from "./remap.ts";
import type { Scenario } from "./scenario.ts";
import { twoGroups } from "./two-groups.ts";

/**
 * All scenarios, in the order in which a newcomer may want to see them.
 *
 * @public
 */
export const SCENARIOS: readonly Scenario[] = [
  hugeWindow,
  hotplug,
  lazyReplay,
  remap,
  memlock,
  twoGroups,
  linuxBoot,
  linuxGuest,
];

/**
 * The scenario of a name, such as `huge-window`.
 *
 * @throws IommuError BAD_ARGUMENT if there is no such scenario
 * @public
 */
export function findScenario(name: string): Scenario {
  const scenario = SCENARIOS.find((other) => other.name === name);
  if (scenario !== undefined) return scenario;
  const names = SCENARIOS.map((other) => other.name).join(", ");
  throw new IommuError("BAD_ARGUMENT", `no scenario "${name}": there are ${names}`, { name });
}
