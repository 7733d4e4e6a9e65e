import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { KEYS } from "./keys.ts";
import { bench } from "./state.ts";

/** What the keys do. */
export function Help(): ComponentChildren {
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = bench.isHelpOpen.value;
  useEffect(() => {
    if (isOpen && dialog.current?.open === false) dialog.current.showModal();
    else if (!isOpen) dialog.current?.close();
  }, [isOpen]);
  return (
    <dialog
      ref={dialog}
      aria-labelledby="help-title"
      onClose={() => {
        bench.isHelpOpen.value = false;
      }}
    >
      <h2 id="help-title">Keys</h2>
      <table>
        <tbody>
          {KEYS.map(({ keys, does }) => (
            <tr key={does}>
              <th scope="row">
                {keys.map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </th>
              <td>{does}</td>
            </tr>
          ))}
          <tr>
            <th scope="row">
              <kbd>Ctrl</kbd> wheel
            </th>
            <td>zoom the picture under the pointer</td>
          </tr>
          <tr>
            <th scope="row">drag</th>
            <td>select a stretch of time, in Lifetimes of addresses, too; from the playhead: travel</td>
          </tr>
          <tr>
            <th scope="row">arrows, +, −, Enter</th>
            <td>in the heat map: move the cursor, zoom, select</td>
          </tr>
          <tr>
            <th scope="row">
              <kbd>Ctrl</kbd> <kbd>Enter</kbd>
            </th>
            <td>in Script: run</td>
          </tr>
          <tr>
            <th scope="row">space, arrows, Home, End</th>
            <td>in Replay: play or pause, step, to the beginning, to the end</td>
          </tr>
        </tbody>
      </table>
      <form method="dialog">
        <button type="submit">close</button>
      </form>
    </dialog>
  );
}
