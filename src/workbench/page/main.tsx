import { render } from "preact";
import { App } from "./app.tsx";
import { listenToDrops } from "./drop.ts";
import { listenToKeys } from "./keys.ts";
import { bench } from "./state.ts";

render(<App />, document.getElementById("page")!);
listenToKeys(bench);
listenToDrops(bench);
bench.start();
