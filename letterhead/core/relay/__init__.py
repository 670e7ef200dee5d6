"""The signing relay: submissions (RFC 6409), the queue, delivery status notifications (RFC 3464)."""
