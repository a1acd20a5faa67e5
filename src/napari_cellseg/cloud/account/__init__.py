"""An account at AWS: names, prices, requests and how they are sent."""
