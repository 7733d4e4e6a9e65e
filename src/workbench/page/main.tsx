import { render } from "preact";
import { App } from "./app.tsx";
import { listenToDrops } from "./drop.ts";
import { listenToKeys } from "./keys.ts";
import { openServed } from "./served.ts";
import { bench } from "./state.ts";

render(<App />, document.getElementById("page")!);
listenToKeys(bench);
listenToDrops(bench);
bench.start();
openServed(bench).catch((error: Error) => bench.say(error.message));
