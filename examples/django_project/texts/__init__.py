"""An app that sends texts, and stores their delivery reports and the replies."""
