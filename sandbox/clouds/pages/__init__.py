"""The pages of the stand-ins: server-rendered, brought up to date by the console's script, with forms that act."""
