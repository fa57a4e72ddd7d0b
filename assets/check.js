// The connection check of /check and of the settings: does a WebSocket get through from this browser to the server and back?
"use strict";
{
  const place = document.getElementById("result");
  const say = (name, values) => {
    place.textContent = Object.entries(values || {}).reduce((text, [key, value]) => text.replace(`{${key}}`, value), place.dataset[name]);
    place.dataset.result = name;
  };
  const started = performance.now();
  const host = place.dataset.address || location.host;
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${host}/check/socket`);
  const timer = setTimeout(() => { say("bad"); socket.close(); }, 20000);
  socket.onopen = () => socket.send("ping");
  socket.onmessage = () => {
    clearTimeout(timer);
    say("good", { milliseconds: Math.round(performance.now() - started) });
    socket.onclose = null;
    socket.close();
  };
  socket.onclose = () => { clearTimeout(timer); if (!place.dataset.result) say("bad"); };
}
