"""The network: training it, running it. May import torch, `io` and `core`."""

import os

#: Read by libgomp when torch is loaded, which only modules of this package do. Its threads
#: else wait for each other without sleeping for some 3 ms at each of 480 steps of an image,
#: whoever else needs the processor: on two cores with four other programs 1024² px took
#: 2.8 s, now 0.5; on an idle computer both take 0.37. A tenth of it cost 5 % there.
os.environ.setdefault("GOMP_SPINCOUNT", "30000")
