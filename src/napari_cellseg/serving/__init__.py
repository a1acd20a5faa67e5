"""The server: the same segmentation for a lab, behind the contracts of SageMaker."""
