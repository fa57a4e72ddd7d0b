// Before Streamlit's own scripts: the one that its document holds inline, and where the server is.
"use strict";
window.prerenderReady = false;
window.__streamlit = { BACKEND_BASE_URL: `${location.origin}/` };
// Another page begins at its top: Streamlit changes the address, and leaves the page as far down as the last one was read.
const push = history.pushState.bind(history);
history.pushState = (...given) => {
  const before = location.pathname;
  push(...given);
  if (location.pathname !== before) document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0);
};
