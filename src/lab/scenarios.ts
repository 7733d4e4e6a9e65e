import { IommuError } from "../base/errors.ts";
import { hugeWindow } from "./huge-window.ts";
import { linuxBoot } from "./linux-boot.ts";
import type { Scenario } from "./scenario.ts";

/** All scenarios, in the order in which a newcomer may want to see them. */
export const SCENARIOS: readonly Scenario[] = [hugeWindow, linuxBoot];

/** @throws IommuError BAD_ARGUMENT if there is no such scenario */
export function findScenario(name: string): Scenario {
  const scenario = SCENARIOS.find((other) => other.name === name);
  if (scenario !== undefined) return scenario;
  const names = SCENARIOS.map((other) => other.name).join(", ");
  throw new IommuError("BAD_ARGUMENT", `no scenario "${name}": there are ${names}`, { name });
}
