"""easyAIGC: fine-tune ChatGLM-class models at home, see what changed, share the result.

Packages, lowest first (imports never go up): models and data, adapters and generation, training, runs, serving, evaluation,
chat, api. `ui`, `state` and `page_frame` alone know Streamlit. See docs/architecture.md.
"""

import os

__version__ = "0.1.0"

# Threads that wait for each other sleep instead of spinning: with a server, a trainer and a browser on two cores, spinning made both
# ten times slower. It has to be said before torch is imported, and trainers inherit it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
