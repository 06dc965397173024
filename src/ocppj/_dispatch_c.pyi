from ocppj._dispatch_py import Dispatch as Dispatch
