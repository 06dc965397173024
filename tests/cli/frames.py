"""Frames that tests of several commands use."""

HEARTBEAT = '[2,"1","Heartbeat",{}]'
ANSWER = '[3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]'
BAD = '[2,"2","Heartbeat",{"x":1}]'
OLD_BOOT = '[2,"3","BootNotification",{"chargePointModel":"m","chargePointVendor":"v"}]'
NEW_BOOT = (
    '[2,"4","BootNotification",'
    '{"reason":"PowerUp","chargingStation":{"model":"m","vendorName":"v"}}]'
)
METER = (
    '[2,"4","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"%s","sampledValue":[%s]}]}]'
)
NAIVE = METER % ("2026-01-01T00:00:00", '{"value":0},{"value":1}')
STATUS = (
    '[2,"5","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":%s,"info":null}]'
)
FAULTY = STATUS % '"available"'

NO_SUCH = "No such file or directory"
