"""From an image in ``input/`` to labels, overlay, table and counts in ``output/``.

S3 tells a queue of each upload, the queue calls a Lambda function, the function asks an
endpoint. What runs in the function (`handler` and what it imports) needs nothing but
boto3, which is there.
"""
