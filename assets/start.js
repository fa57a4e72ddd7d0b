// Before Streamlit's own scripts: the one that its document holds inline, and where the server is.
"use strict";
window.prerenderReady = false;
window.__streamlit = { BACKEND_BASE_URL: `${location.origin}/` };
