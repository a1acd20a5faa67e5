"""The ways in: HTTP, SageMaker's contracts, requests that are answered later."""
