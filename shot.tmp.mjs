import { chromium } from "playwright-core";
import { serve } from "/tmp/wb/serve.mjs";
const s=await serve(); const url=`http://127.0.0.1:${s.address().port}/`;
const b=await chromium.launch({executablePath:"/usr/bin/chromium",args:["--no-sandbox","--disable-gpu"]});
const [,, hash="", out="/tmp/wb/a.png", scheme="light", w="1280", h="720", act=""]=process.argv;
const c=await b.newContext({viewport:{width:+w,height:+h},colorScheme:scheme,reducedMotion:"reduce"});
const p=await c.newPage();
p.on("console",m=>console.log("console",m.type(),m.text())); p.on("pageerror",e=>console.log("pageerror",e.stack));
p.on("requestfailed",r=>console.log("failed",r.url(),r.failure().errorText));
await p.goto(url+(hash?"#"+hash:""));
await p.waitForTimeout(hash?2500:500);
if(act){ await (new Function("p","return (async()=>{"+act+"})()"))(p); await p.waitForTimeout(900);}
await p.screenshot({path:out,fullPage:+w<800}); console.log(await p.evaluate(()=>location.hash));
await b.close(); s.close();
