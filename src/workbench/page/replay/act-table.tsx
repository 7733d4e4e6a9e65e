import type { ComponentChildren } from "preact";
import { stallText } from "../../../lab/cost-model.ts";
import { longestCall } from "../../maths/stage-time.ts";
import type { Story } from "../../stage-protocol.ts";
import { countText } from "../words.ts";
import { costWords, lengthText } from "./theatre-words.ts";

/** The same as a table, for the whole of the story. */
export function ActTable({ story }: { readonly story: Story }): ComponentChildren {
  return (
    <details class="table">
      <summary>table</summary>
      <table>
        <thead>
          <tr>
            {[
              "way",
              "looked at",
              "notifications",
              "map calls",
              "guest stands still",
              "Linux reports",
              "device reaches after it",
              "after the next H_PUT_TCE",
              "of which",
            ].map((title) => (
              <th scope="col" key={title}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {story.acts.map((act) => (
            <tr key={act.name}>
              <th scope="row">{act.name}</th>
              <td>
                {countText(act.looked)} {act.lookedAt}
              </td>
              <td>{countText(act.notifications)}</td>
              <td>{countText(act.mapCalls)}</td>
              <td>{lengthText(longestCall(act))}</td>
              <td>{stallText(longestCall(act))}</td>
              <td>
                {countText(act.reached)} of {countText(act.mappings - 1)}
              </td>
              <td>
                {countText(act.reachedAfterPut)} of {countText(act.mappings)}
              </td>
              <td>
                {act.calls
                  .flatMap(({ phases }) => phases)
                  .map(
                    ({ cost, count, seconds }) =>
                      `${costWords(cost)} ${countText(count)}: ${lengthText(seconds)}`,
                  )
                  .join("; ") || "nothing"}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
